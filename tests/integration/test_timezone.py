"""Times without a zone: read in the watch's `timezone`, whoever writes them and whoever reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
import yaml

from core.handler.attributes import time_of
from core.settings.models import Settings, postgres_dsn
from core.zones import in_utc, zone_called
from rtp_client import CacheReader, Table
from tests.command import Command
from tests.judging import judge_waiting
from tests.watching import install

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"}
LATEST: dict[str, Any] = {"kind": "price", "table": "samples", "percent": 1, "columns": COLUMNS, "max_future": "off"}
HISTORY = LATEST | {"shape": "history"}
BERLIN: dict[str, Any] = {"timezone": "Europe/Berlin"}
PRICES = Table("price", "samples", entity="token", chain="chain", value="price", changed_at="at", is_history=True)
NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["timestamp", "date"])
def samples(writer: psycopg.Connection, request: pytest.FixtureRequest) -> psycopg.Connection:
    """A table of times without a zone, written from Tokyo."""
    writer.execute(
        f"CREATE TABLE public.samples (chain text, token text, price numeric, at {request.param},"
        " UNIQUE (chain, token, at))".encode()
    )
    writer.execute("SET TimeZone TO 'Asia/Tokyo'")
    return writer


def write(connection: psycopg.Connection, price: int, at: str) -> None:
    connection.execute("INSERT INTO samples VALUES ('base', 'usdc', %s, %s)", [price, at])
    judge_waiting(connection)


def sampled_at(connection: psycopg.Connection) -> datetime:
    row = connection.execute("SELECT sampled_at AT TIME ZONE 'UTC' FROM rtp.baseline").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


# Triggers and installation


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Europe/Berlin", 2), ("America/New_York", -4)])
def test_a_history_is_read_in_the_watchs_zone(samples: psycopg.Connection, zone: str, hours: int) -> None:
    install(samples, samples=HISTORY | {"timezone": zone})
    write(samples, 100, "2024-07-01")
    assert sampled_at(samples) == datetime(2024, 7, 1) - timedelta(hours=hours)


def test_what_an_installation_finds_is_read_in_the_watchs_zone(samples: psycopg.Connection) -> None:
    samples.execute("INSERT INTO samples VALUES ('base', 'usdc', 100, '2024-07-01')")
    install(samples, samples=HISTORY | BERLIN)
    assert sampled_at(samples) == datetime(2024, 6, 30, 22)


@pytest.mark.parametrize("memory", [{}, {"heartbeat": "1d"}], ids=["plain", "with a memory"])
def test_an_event_tells_the_time_of_the_watchs_zone(samples: psycopg.Connection, memory: dict[str, Any]) -> None:
    samples.execute("ALTER TABLE samples ADD UNIQUE (chain, token)")
    install(samples, samples=LATEST | BERLIN | memory)
    write(samples, 100, "2024-06-30")
    samples.execute("UPDATE samples SET price = 200, at = '2024-07-01'")
    judge_waiting(samples)
    found = samples.execute("SELECT changed_at = '2024-06-30 22:00Z' FROM rtp.event").fetchall()
    assert found == [(True,)]


def test_metadata_tells_the_time_of_the_watchs_zone(samples: psycopg.Connection) -> None:
    columns = {"protocol": "token", "chain": "chain", "changed_at": "at"}
    samples.execute("ALTER TABLE samples ADD UNIQUE (chain, token)")
    watch = {"kind": "protocol", "table": "samples", "columns": columns, "watched": ["price"]} | BERLIN
    install(samples, samples=watch)
    write(samples, 100, "2024-07-01")
    assert samples.execute("SELECT changed_at = '2024-06-30 22:00Z' FROM rtp.event").fetchall() == [(True,)]


@pytest.mark.parametrize("at", ["infinity", "-infinity", "0001-01-01", "290000-01-01", "4713-01-01 BC"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_no_time_fails_its_writer(samples: psycopg.Connection, at: str, zone: str) -> None:
    """Near the ends of all times there is none in another zone."""
    install(samples, samples=HISTORY | {"timezone": zone})
    write(samples, 100, at)
    assert samples.execute("SELECT count(*) FROM rtp.baseline").fetchone() == (1,)
    assert samples.execute("SELECT message FROM rtp.trigger_error").fetchall() == []


def test_with_another_zone_a_history_starts_anew(samples: psycopg.Connection) -> None:
    install(samples, samples=HISTORY)
    write(samples, 100, "2024-07-01")
    install(samples, samples=HISTORY | BERLIN)
    assert sampled_at(samples) == datetime(2024, 6, 30, 22)


# Everybody else reads it likewise


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_python_reads_an_hour_that_clocks_skip_or_repeat_as_the_server_does(
    writer: psycopg.Connection, zone: str
) -> None:
    writer.execute("SET TimeZone TO 'UTC'")
    rows = writer.execute(
        "SELECT at, at AT TIME ZONE %s FROM generate_series('2024-01-01'::timestamp, '2025-01-01', '15 min') AS at",
        [zone],
    ).fetchall()
    assert [at for at, moment in rows if in_utc(at, zone_called(zone)) != moment] == []


def test_dynamodbs_strings_are_read_in_the_watchs_zone() -> None:
    berlin = zone_called("Europe/Berlin")
    assert [time_of({"S": text}, berlin) for text in ("2024-07-01T14:00:00", "2024-07-01T12:00:00Z")] == [NOON, NOON]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump({"watches": {"samples": HISTORY | BERLIN}}))
    return path


def test_a_backtest_reads_a_table_in_the_watchs_zone(
    samples: psycopg.Connection, command: Command, installed: Settings, config: Path
) -> None:
    write(samples, 100, "2024-07-01")
    dsn = postgres_dsn(installed)
    done = command("backtest", "--config", str(config), "--postgres-dsn", dsn, "--history", "samples", "--json")
    assert done.document["first_at"] == "2024-06-30T22:00:00.000000Z"


def test_a_backtest_reads_a_file_in_the_watchs_zone(command: Command, config: Path, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("time,token,chain,price_usd\n2024-07-01 14:00,usdc,base,1\n2024-07-01T12:00:00Z,usdc,base,1\n")
    done = command("backtest", "--config", str(config), "--history", str(path), "--json")
    assert (done.document["first_at"], done.document["last_at"]) == (("2024-07-01T12:00:00.000000Z",) * 2)


def test_the_cache_takes_no_row_of_the_future_in_the_watchs_zone(
    samples: psycopg.Connection, installed: Settings, redis_url: str, client: redis.Redis
) -> None:
    """In Tokyo's the second row is of today, in Berlin's still ahead."""
    samples.execute("ALTER TABLE samples ALTER at TYPE timestamp")
    samples.execute("INSERT INTO samples VALUES ('base', 'usdc', 100, '2024-07-01')")
    samples.execute("INSERT INTO samples VALUES ('base', 'usdc', 200, now() AT TIME ZONE 'Asia/Tokyo')")
    values = []
    for zone in ("Asia/Tokyo", "Europe/Berlin"):
        table = replace(PRICES, timezone=zone)
        with CacheReader(redis_url, postgres_dsn(installed), tables=[table], local_entries=0) as reader:
            entry = reader.get("price", "base", "usdc")
            values.append(entry and entry.value)
            client.flushdb()
    assert values == ["200", "100"]


# What is said of it


@pytest.mark.parametrize(
    ("said", "note"),
    [
        (BERLIN, "at of samples has no time zone, and is read as Europe/Berlin"),
        ({}, "at of samples has no time zone, and is read as UTC. Where its writers mean another one: `timezone:`"),
    ],
)
def test_validate_says_in_which_zone_a_column_is_read(
    samples: psycopg.Connection,
    command: Command,
    installed: Settings,
    redis_url: str,
    tmp_path: Path,
    said: dict[str, Any],
    note: str,
) -> None:
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump({"watches": {"samples": HISTORY | said}}))
    services = ("--postgres-dsn", postgres_dsn(installed), "--redis-url", redis_url)
    done = command("validate", "--config", str(path), *services, "--json")
    assert done.document["notes"] == [f"watches.samples.columns.changed_at: column {note}"]
