"""Partitioned tables: whichever way a row gets into a partition, it is judged."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.judging import judge_waiting
from tests.watching import install, settings_of
from triggers.installer import find_drift

WATCH: dict[str, Any] = {
    "kind": "tvl",
    "table": "parts",
    "percent": 1,
    "columns": {"chain": "chain", "protocol": "protocol", "value": "usd"},
}


@pytest.fixture
def parts(writer: psycopg.Connection) -> psycopg.Connection:
    """A table with partitions by chain, one of them partitioned again; lido and aave have been seen."""
    writer.execute(
        "CREATE TABLE public.parts (chain text, protocol text, usd numeric, PRIMARY KEY (chain, protocol))"
        " PARTITION BY LIST (chain);"
        "CREATE TABLE public.parts_eth PARTITION OF parts FOR VALUES IN ('ethereum') PARTITION BY RANGE (protocol);"
        "CREATE TABLE public.parts_eth_low PARTITION OF parts_eth FOR VALUES FROM ('a') TO ('m');"
        "CREATE TABLE public.parts_eth_high PARTITION OF parts_eth FOR VALUES FROM ('m') TO ('zz');"
        "CREATE TABLE public.parts_other PARTITION OF parts DEFAULT"
    )
    install(writer, parts=WATCH)
    writer.execute("INSERT INTO parts VALUES ('ethereum', 'lido', 100), ('base', 'aave', 100)")
    return writer


def told(connection: psycopg.Connection) -> list[tuple[str, str, str]]:
    return connection.execute("SELECT chain, entity, reason FROM rtp.event ORDER BY id").fetchall()


@pytest.mark.parametrize("table", ["parts", "parts_eth", "parts_eth_low"])
def test_a_write_on_any_level_is_seen(parts: psycopg.Connection, table: str) -> None:
    parts.execute(f"UPDATE {table} SET usd = 200 WHERE protocol = 'lido'".encode())
    assert told(parts) == [("ethereum", "lido", "deviation")]


def test_a_write_on_any_level_is_a_sample(parts: psycopg.Connection) -> None:
    install(parts, parts={**WATCH, "cooldown": "1m"})
    for value, table in enumerate(("parts", "parts_eth", "parts_eth_low"), 200):
        parts.execute(f"UPDATE {table} SET usd = {value} WHERE protocol = 'lido'".encode())
    assert parts.execute("SELECT value FROM rtp.sample ORDER BY id").fetchall() == [(200,), (201,), (202,)]


def test_a_statement_over_many_partitions_is_seen_once_per_row(parts: psycopg.Connection) -> None:
    parts.execute("UPDATE parts SET usd = 200")
    assert sorted(told(parts)) == [("base", "aave", "deviation"), ("ethereum", "lido", "deviation")]


def test_a_row_that_moves_to_another_partition_is_renamed(parts: psycopg.Connection) -> None:
    parts.execute("UPDATE parts SET chain = 'optimism' WHERE protocol = 'lido'")
    judge_waiting(parts)
    assert told(parts) == [("optimism", "lido", "renamed")]


@pytest.mark.parametrize("rules", [{}, {"cooldown": "1m"}], ids=["plain", "with a memory"])
def test_truncating_a_partition_reports_its_entities_and_no_others(
    parts: psycopg.Connection, rules: dict[str, Any]
) -> None:
    install(parts, parts={**WATCH, **rules})
    parts.execute("TRUNCATE parts_other")
    judge_waiting(parts)
    assert told(parts) == [("base", "aave", "deleted")]


def test_truncating_the_table_reports_every_entity_once(parts: psycopg.Connection) -> None:
    parts.execute("TRUNCATE parts")
    judge_waiting(parts)
    assert sorted(told(parts)) == [("base", "aave", "deleted"), ("ethereum", "lido", "deleted")]


def test_truncating_a_partition_of_metadata_removes_its_protocols_only(parts: psycopg.Connection) -> None:
    columns = {"chain": "chain", "protocol": "protocol"}
    install(parts, meta={"kind": "protocol", "table": "parts", "watched": ["usd"], "columns": columns})
    parts.execute("TRUNCATE parts_other")
    judge_waiting(parts)
    assert told(parts) == [("base", "aave", "removed")]


def test_an_upsert_is_seen(parts: psycopg.Connection) -> None:
    parts.execute(
        "INSERT INTO parts VALUES ('ethereum', 'lido', 200)"
        " ON CONFLICT (chain, protocol) DO UPDATE SET usd = excluded.usd"
    )
    assert told(parts) == [("ethereum", "lido", "deviation")]


def test_a_partition_attached_later_is_seen_through_its_parent(parts: psycopg.Connection) -> None:
    parts.execute("CREATE TABLE public.parts_polygon PARTITION OF parts FOR VALUES IN ('polygon')")
    parts.execute("INSERT INTO parts VALUES ('polygon', 'curve', 100)")
    parts.execute("UPDATE parts SET usd = 200 WHERE protocol = 'curve'")
    assert told(parts) == [("polygon", "curve", "deviation")]


def test_a_partition_attached_later_is_drift(parts: psycopg.Connection) -> None:
    parts.execute("CREATE TABLE public.parts_polygon PARTITION OF parts FOR VALUES IN ('polygon')")
    assert [action.what for action in find_drift(parts, settings_of(parts=WATCH))] != []


def test_a_new_installation_covers_it(parts: psycopg.Connection) -> None:
    parts.execute("CREATE TABLE public.parts_polygon PARTITION OF parts FOR VALUES IN ('polygon')")
    install(parts, parts=WATCH)
    parts.execute("INSERT INTO parts_polygon VALUES ('polygon', 'curve', 100)")
    parts.execute("UPDATE parts_polygon SET usd = 200")
    assert told(parts) == [("polygon", "curve", "deviation")]
