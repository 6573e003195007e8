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

if TYPE_CHECKING:
    import psycopg
    import redis

    from core.settings.models import Settings

ALIASES = {"aliases": {"uni": "uniswap"}, "chain_aliases": {"matic": "polygon"}}
RENAMED = ("polygon", "uniswap", "100", "100", "renamed", {"previous_chain": "matic", "previous_entity": "uni"})
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


def told(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    query = "SELECT chain, entity, previous::text, current::text, reason, details FROM rtp.event ORDER BY id"
    return connection.execute(query).fetchall()


def known(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT chain, entity FROM rtp.baseline").fetchall()
