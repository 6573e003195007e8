"""What rtp says and does depends on no setting of its role, its database or its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import make_conninfo

from core.gateway.rest.postgres_insight import PostgresInsight
from core.settings.models import Settings, postgres_dsn
from core.settings.serve import ServeSettings
from rtp_client.cache.loading import Owner
from rtp_client.cache.source import DatabaseSource
from rtp_client.cache.table import Table
from tests.command import Command, Done
from tests.eventually import eventually
from tests.gateway import serving
from tests.judging import judge_waiting
from tests.pooler import TransactionPooler, kept_in
from tests.rest_client import answer, ask
from tests.tvl_table import write

UNUSUAL = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "search_path": "misleading, pg_catalog",
    "default_transaction_isolation": "serializable",
    "idle_in_transaction_session_timeout": "1min",
    "default_tablespace": "pg_default",
}
# What PostgreSQL's own would do, had it been found first.
MISLEADING = """CREATE SCHEMA misleading;
CREATE FUNCTION misleading.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass';
CREATE FUNCTION misleading.current_database() RETURNS name LANGUAGE sql AS $$ SELECT 'another'::name $$;
CREATE FUNCTION misleading.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
CREATE DOMAIN misleading.numeric AS pg_catalog.int4; CREATE DOMAIN misleading.text AS pg_catalog.int4"""
COLUMNS = {"chain": "chain", "token": "token", "value": "price_usd", "changed_at": "updated_at"}
PRICES: dict[str, Any] = {
    "kind": "price",
    "table": "public.prices",
    "shape": "history",
    "percent": 1,
    "heartbeat": "1h",
    "glitch_guard": {"factor": 10, "release_after": "1h"},
    "columns": COLUMNS,
}


@pytest.fixture
def rtp(command: Command, installed: Settings, redis_url: str, tmp_path: Path) -> Callable[..., Done]:
    """Runs a command with a watch of a history, on the test's database."""
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump({"watches": {"prices": PRICES}, "redis": {"url": redis_url}}), encoding="utf-8")

    def run(*arguments: str, dsn: str = "") -> Done:
        return command(*arguments, "--config", str(path), "--postgres-dsn", dsn or postgres_dsn(installed))

    return run


@pytest.fixture
def unusual(writer: psycopg.Connection) -> Iterator[None]:
    """From here on, every session in the database begins with unusual settings."""
    writer.execute(MISLEADING.encode())
    database = sql.Identifier(writer.info.dbname)
    for name, value in UNUSUAL.items():
        values = sql.SQL(", ").join(map(sql.Literal, value.split(", ")))
        writer.execute(sql.SQL("ALTER DATABASE {} SET {} TO {}").format(database, sql.Identifier(name), values))
    yield


def history(writer: psycopg.Connection) -> None:
    """A baseline, a jump that is held back, and a dead letter."""
    writer.execute(
        "INSERT INTO prices (chain, token, price_usd, updated_at, source) VALUES"
        " ('base', 'eth', 100, '2026-01-03 12:00+00', ''), ('base', 'eth', 105, '2026-01-03 12:10+00', ''),"
        " ('base', 'eth', 5000, '2026-01-03 12:20+00', '')"
    )
    writer.execute(
        "INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts) SELECT 'redis', 1,"
        """ '{"data": {"kind": "price", "chain": "base", "entity": "eth"}}', 'refused', 3"""
    )


def test_no_setting_of_the_database_changes_what_is_installed_judged_or_said(
    rtp: Callable[..., Done], writer: psycopg.Connection, unusual: None
) -> None:
    writer.execute("ALTER TABLE prices DROP CONSTRAINT prices_pkey")
    assert rtp("install-triggers").code == 0
    history(writer)
    judge_waiting(writer)
    events = writer.execute("SELECT current, changed_at FROM rtp.event ORDER BY id").fetchall()
    assert [(int(current), at.isoformat()) for current, at in events] == [(105, "2026-01-03T12:10:00+00:00")]
    (explained,) = rtp("explain", "--kind", "price", "--token", "eth", "--json").document["entities"]
    assert explained["events"][0]["changed_at"].startswith("2026-01-03T12:10:00")
    letter = rtp("dlq", "list", "--json").document
    assert letter["error"] == "refused"
    (held,) = rtp("status", "--json").document["quarantined"]
    assert (held["value"], held["since"]) == ("5000", "2026-01-03T12:20:00.000000Z")
    assert rtp("validate", "--installed", "--json").document["drift"] == []
    told = rtp("backtest", "--history", "public.prices", "--watch", "prices", "--json").document
    assert told["samples"] == 3
    assert rtp("reset-cursor", "--sink", "redis", "--to", "latest").code == 0
    forgotten = rtp("forget", "--kind", "price", "--token", "eth", "--yes", "--json").document["forgotten"]
    assert [one["sampled_at"] for one in forgotten] == ["2026-01-03T12:20:00.000000Z"]
    assert "dead letter" in rtp("uninstall-triggers").err
    assert rtp("uninstall-triggers", "--yes").code == 0
    assert rtp("install-triggers").code == 0


def test_no_setting_of_the_database_changes_what_the_cache_reads(
    writer: psycopg.Connection, installed: Settings, unusual: None
) -> None:
    writer.execute("CREATE TABLE public.pools (id bytea, since timestamptz, price double precision)")
    writer.execute("INSERT INTO pools VALUES ('\\xcafe', '2026-01-03 12:00+00', 0.12345678901234568)")
    # A reader has a role of its own, and finds what it is led to.
    writer.execute(sql.SQL("ALTER DATABASE {} RESET search_path").format(sql.Identifier(writer.info.dbname)))
    pools = Table("price", "public.pools", entity="id", chain="since", value="price")
    asked = Owner("price", "2026-01-03 12:00:00+00", "\\xcafe")
    with closing(DatabaseSource(postgres_dsn(installed), {"tables": [pools]})) as source:
        assert source.rows([asked])[asked].value == "0.12345678901234568"


@pytest.fixture
def pooler(installed: Settings) -> Iterator[TransactionPooler]:
    """A pooler that gives its clients the same two sessions, a transaction at a time."""
    with closing(TransactionPooler(postgres_dsn(installed), size=2)) as made:
        yield made


def test_the_gateway_leaves_nothing_either(
    settings: Settings, writer: psycopg.Connection, pooler: TransactionPooler
) -> None:
    write(writer, "100", "150")
    through = make_conninfo(postgres_dsn(settings), host="127.0.0.1", port=pooler.port)
    postgres = settings.postgres.model_copy(update={"dsn": through})
    serve = ServeSettings(listen="127.0.0.1:0")
    with serving(settings.model_copy(update={"postgres": postgres, "serve": serve})) as server:
        eventually(lambda: ask(server, "/readyz")[0] == 200)
        assert [one["value"] for one in answer(server, "/v1/entities")["entities"]] == ["150"]
        assert answer(server, "/v1/entities/tvl/ethereum/lido")["watch"]["conclusion"]["outcome"] == "reported"
        assert answer(server, "/v1/status")["status"]["log"]["events"] == 1
        assert answer(server, "/v1/pegs")["note"] is None
        assert kept_in(through) == []
    with closing(PostgresInsight(settings.model_copy(update={"postgres": postgres}))) as insight:
        for _ in range(7):  # psycopg prepares by itself what comes often
            assert insight.explain("tvl", "ethereum", "lido")[0].events[0].current == 150
        assert kept_in(through) == []


def test_no_command_leaves_anything_in_a_session_that_others_share(
    rtp: Callable[..., Done], writer: psycopg.Connection, installed: Settings, pooler: TransactionPooler
) -> None:
    writer.execute("ALTER TABLE prices DROP CONSTRAINT prices_pkey")
    through = make_conninfo(postgres_dsn(installed), host="127.0.0.1", port=pooler.port)
    history_of = ("backtest", "--history", "public.prices", "--watch", "prices")
    commands = [
        *(("validate",), ("validate", "--installed"), ("grants",)),
        *(("install-triggers", "--dry-run"), ("install-triggers",), ("status",)),
        *(("explain", "--kind", "price", "--token", "eth"), history_of, ("dlq", "list")),
        ("dlq", "drop", "--all", "--yes"),
        *(("forget", "--kind", "price", "--token", "eth", "--yes"), ("uninstall-triggers", "--dry-run")),
    ]
    kept = {}
    for words in commands:
        done = rtp(*words, dsn=through)
        kept[words] = kept_in(through)
        if words == ("install-triggers",):
            assert done.code == 0
            history(writer)
    assert kept == {words: [] for words in commands}
