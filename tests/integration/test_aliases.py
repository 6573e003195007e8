"""Aliases: rows under a former name are the entity's of today, and all that is known of it is carried over, once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from core.cache.readers import cache_reader
from core.cache.rebuild import latest_events
from core.inspection.explainer import explain
from core.log.installation import read_installation
from core.log.rows import build_event
from core.sinks.redis import RedisSink
from rtp_client.keys import cache_key
from tests.judging import judge_waiting
from tests.tvl_table import write
from tests.watching import TVL, install, settings_of
from triggers.installer import find_drift
from triggers.validator import validate

if TYPE_CHECKING:
    import psycopg
    import redis

    from core.settings.models import Settings

ALIASES = {"aliases": {"uni": "uniswap"}, "chain_aliases": {"matic": "polygon"}}
RENAMED = ("polygon", "uniswap", "100", "100", "renamed", {"previous_chain": "matic", "previous_entity": "uni"})
RENAMES = {"table": "renames", "from": "old", "to": "new"}
BOTH = pytest.mark.parametrize("rules", [{}, {"heartbeat": "1d"}], ids=["judged by its trigger", "sampled"])


@BOTH
def test_rows_under_a_former_name_are_judged_by_what_is_known_of_it(
    writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    install(writer, tvl=TVL | rules)
    write(writer, "95", "100", chain="matic", entity="uni")
    judge_waiting(writer)
    install(writer, tvl=TVL | rules | ALIASES)
    install(writer, tvl=TVL | rules | ALIASES)
    write(writer, "100.5", chain="matic", entity="uni")
    write(writer, "102", chain="matic", entity="uni")
    writer.execute("UPDATE tvl SET chain = 'polygon', protocol = 'uniswap', tvl_usd = 105")
    judge_waiting(writer)
    assert told(writer) == [
        ("matic", "uni", "95", "100", "deviation", None),
        RENAMED,
        ("polygon", "uniswap", "100", "102", "deviation", None),
        ("polygon", "uniswap", "102", "105", "deviation", None),
    ]
    assert known(writer) == [("polygon", "uniswap")]
    (found,) = explain(writer, settings_of(tvl=TVL | rules | ALIASES), "tvl", "uni", "matic")
    assert (found.chain, found.entity) == ("polygon", "uniswap")
    assert [event.reason for event in found.events] == ["deviation", "deviation", "renamed", "deviation"]


def test_samples_that_wait_under_a_former_name_are_the_entitys_of_today(writer: psycopg.Connection) -> None:
    rules = TVL | {"heartbeat": "1d"}
    install(writer, tvl=rules)
    write(writer, "100", chain="matic", entity="uni")
    judge_waiting(writer)
    write(writer, "102", chain="matic", entity="uni")
    install(writer, tvl=rules | ALIASES)
    judge_waiting(writer)
    assert told(writer) == [RENAMED, ("polygon", "uniswap", "100", "102", "deviation", None)]
    assert known(writer) == [("polygon", "uniswap")]


def test_where_the_name_of_today_is_known_its_own_baseline_holds(writer: psycopg.Connection) -> None:
    install(writer, tvl=TVL)
    write(writer, "100", chain="matic", entity="uni")
    write(writer, "200", chain="polygon", entity="uniswap")
    install(writer, tvl=TVL | ALIASES)
    assert (told(writer), known(writer)) == ([], [("polygon", "uniswap")])


def test_the_last_word_on_a_former_name_is_in_no_cache_that_is_filled_from_the_log(
    writer: psycopg.Connection, settings: Settings, sink: RedisSink, client: redis.Redis
) -> None:
    install(writer, tvl=TVL)
    write(writer, "100", chain="matic", entity="uni")
    write(writer, "102", chain="matic", entity="uni")
    log_id = read_installation(writer)

    def deliver() -> None:
        rows = [row for page in latest_events(writer, 10) for row in page]
        sink.deliver([build_event(row, source="rtp", log_id=log_id) for row in rows])

    deliver()
    install(writer, tvl=TVL | ALIASES)
    deliver()
    former, now = cache_key("tvl", "matic", "uni"), cache_key("tvl", "polygon", "uniswap")
    assert (client.exists(former), client.exists(now)) == (0, 1)
    assert [row.entity for page in latest_events(writer, 10) for row in page] == ["uniswap"]
    aliased = settings.model_copy(
        update={"watches": {"tvl": settings.watches["tvl"].model_copy(update=ALIASES)}},
    )
    client.flushdb()
    with closing(cache_reader(aliased)) as reader:
        found = reader.get("tvl", "polygon", "uniswap")
    assert found is not None
    assert found.value == "102"


def test_metadata_is_carried_over_alike(writer: psycopg.Connection) -> None:
    protocols = {"kind": "protocol", "table": "protocols", "watched": ["name"], "columns": {"protocol": "protocol"}}
    install(writer, protocols=protocols)
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('uni', 'Uniswap', 'llama')")
    install(writer, protocols=protocols | {"aliases": {"uni": "uniswap"}})
    writer.execute("UPDATE protocols SET protocol = 'uniswap', name = 'Uniswap Labs'")
    reasons = writer.execute("SELECT entity, reason FROM rtp.event ORDER BY id").fetchall()
    assert reasons == [("uni", "added"), ("uniswap", "renamed"), ("uniswap", "changed")]


def test_former_names_are_read_from_a_table_at_each_installation(
    writer: psycopg.Connection, settings: Settings
) -> None:
    in_tables = {"aliases": RENAMES, "chain_aliases": RENAMES | {"table": "chain_renames"}}
    writer.execute("CREATE TABLE renames (old text, new text); CREATE TABLE chain_renames (old varchar, new varchar)")
    install(writer, tvl=TVL | in_tables)
    write(writer, "100", chain="matic", entity="uni")
    writer.execute(
        "INSERT INTO renames VALUES ('uni', 'uniswap'); INSERT INTO chain_renames VALUES ('matic', 'polygon')"
    )
    (drift,) = find_drift(writer, settings_of(tvl=TVL | in_tables))
    assert 'aliases: none -> {"uni": "uniswap"}, chain_aliases: none -> {"matic": "polygon"}' in drift.detail
    install(writer, tvl=TVL | in_tables)
    write(writer, "102", chain="matic", entity="uni")
    assert told(writer) == [RENAMED, ("polygon", "uniswap", "100", "102", "deviation", None)]
    assert find_drift(writer, settings_of(tvl=TVL | in_tables)) == []
    aliased = settings.model_copy(update={"watches": settings_of(tvl=TVL | in_tables).watches})
    with closing(cache_reader(aliased)) as reader:
        found = reader.get("tvl", "polygon", "uniswap")
    assert found is not None
    assert found.value == "102"


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("(null, 'b')", "renames: in the row null -> 'b', old is null. Correct that row, or delete it"),
        ("('a', '')", "renames: in the row 'a' -> '', new is empty. Correct that row, or delete it"),
        ("('a', 'a')", "renames: a cannot be an alias of itself. Delete that row"),
        ("('a', 'b'), ('b', 'c')", "renames: a leads to b, an alias itself. Name c for both"),
        ("('a', 'b'), ('b', 'a')", "renames: a leads to b, which leads back to it. Leave one of them out"),
        ("('a', 'b'), ('a', 'c')", "renames: a leads to b and to c. Keep one of these rows"),
        ("('lido', 'b')", "overrides[0] names the alias lido. Name b"),
        (f"('{'a' * 201}', 'b')", "old is no name of at most 200 characters without control characters"),
    ],
)
def test_a_row_that_leads_to_no_name_of_today_is_named(writer: psycopg.Connection, rows: str, complaint: str) -> None:
    writer.execute(f"CREATE TABLE renames (old text, new text); INSERT INTO renames VALUES {rows}".encode())
    settings = settings_of(tvl=TVL | {"aliases": RENAMES, "overrides": [{"protocol": "lido", "percent": 2}]})
    (finding,) = validate(writer, settings)
    assert complaint in str(finding)


def test_a_table_of_aliases_that_cannot_be_read_is_told_with_its_key(writer: psycopg.Connection) -> None:
    settings = settings_of(tvl=TVL | {"aliases": RENAMES})
    writer.execute("CREATE TABLE bulk AS SELECT g::text AS old, 'new' AS new FROM generate_series(1, 1001) AS g")
    assert "watches.tvl.aliases.table: table renames does not exist" in str(validate(writer, settings)[0])
    writer.execute("CREATE TABLE renames (old text, newer text)")
    assert "watches.tvl.aliases.to: renames has no column new. Did you mean newer?" in str(
        validate(writer, settings)[0]
    )
    bulky = settings_of(tvl=TVL | {"aliases": RENAMES | {"table": "bulk"}})
    assert "bulk has more than 1,000 rows" in str(validate(writer, bulky)[0])
    writer.execute("DROP TABLE bulk; CREATE VIEW bulk AS SELECT 'a' AS old, 'b' AS new")
    assert "watches.tvl.aliases.table: bulk is a view. Name a table" in str(validate(writer, bulky)[0])


def told(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    query = "SELECT chain, entity, previous::text, current::text, reason, details FROM rtp.event ORDER BY id"
    return connection.execute(query).fetchall()


def known(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT chain, entity FROM rtp.baseline").fetchall()
