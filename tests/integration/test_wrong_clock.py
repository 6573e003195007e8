"""A writer whose clock is wrong, beside a running rtp: what it does harm to, who says so, and how to be rid of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.settings.models import Settings, postgres_dsn
from tests.command import Command
from tests.monitored import Running, eventually, monitored
from tests.watching import install

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"}
HISTORY: dict[str, Any] = {
    "kind": "price",
    "table": "samples",
    "shape": "history",
    "percent": 1,
    "columns": COLUMNS,
}


@pytest.fixture
def samples(writer: psycopg.Connection) -> psycopg.Connection:
    writer.execute("CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz)")
    return writer


def write(connection: psycopg.Connection, price: float, at: str = "clock_timestamp()") -> None:
    connection.execute(f"INSERT INTO samples VALUES ('base', 'usdc', %s, {at})".encode(), [price])


def told(connection: psycopg.Connection) -> list[tuple[str | None, str | None]]:
    return connection.execute("SELECT previous::text, current::text FROM rtp.event ORDER BY id").fetchall()


@pytest.fixture
def running(samples: psycopg.Connection, settings: Settings, max_future: str) -> Iterator[Running]:
    """A running rtp that judges the history."""
    install(samples, samples=HISTORY | {"max_future": max_future})
    with monitored(settings) as running:
        yield running


@pytest.mark.parametrize("max_future", ["5m"])
def test_a_row_of_next_year_is_set_aside_and_said_within_seconds(
    running: Running, samples: psycopg.Connection, settings: Settings, command: Command
) -> None:
    write(samples, 100)
    started = time.monotonic()
    write(samples, 100.1, "now() + interval '1 year'")
    for price in (150, 20):
        write(samples, price)
    eventually(lambda: told(samples) == [("100", "150"), ("150", "20")])
    found = json.loads(command("status", "--postgres-dsn", postgres_dsn(settings), "--json").out)["set_aside"]
    assert [(line["why"], line["rows"], line["value"]) for line in found] == [("future", 1, "100.1")]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("max_future", ["off"])
def test_rtp_forgets_while_it_runs(
    running: Running, samples: psycopg.Connection, settings: Settings, command: Command
) -> None:
    write(samples, 100)
    write(samples, 100.1, "now() + interval '1 year'")
    eventually(lambda: samples.execute("SELECT FROM rtp.baseline WHERE sampled_at > now()").fetchall())
    write(samples, 150)
    eventually(lambda: samples.execute("SELECT why FROM rtp.set_aside").fetchall() == [("late",)])
    what = ("--kind", "price", "--token", "usdc", "--yes")
    assert command("forget", "--postgres-dsn", postgres_dsn(settings), *what).code == 0
    for price in (200, 300):
        write(samples, price)
    eventually(lambda: told(samples) == [("200", "300")])
