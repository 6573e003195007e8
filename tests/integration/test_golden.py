"""The golden files run: each makes its watch report or append samples, on a real server, and leaves no error."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from core.services.postgres import connect
from tests.golden import FOLDER, TABLES
from triggers.migrations import schema_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg


ETH = "INSERT INTO market.prices VALUES ('base', 'eth', 100, now() - interval '1 day', 1, 'desk')"


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database with rtp's schema and no watch."""
    with closing(connect(database, role="test")) as connection:
        for step in schema_steps(None):
            for statement in step.statements:
                connection.execute(statement)
        yield connection


def run(owner: psycopg.Connection, name: str, *, before: str = "") -> None:
    """Run the golden file where its table is, with the rows that were written before."""
    owner.execute(TABLES[name].encode())
    owner.execute(before.encode())
    owner.execute((FOLDER / f"{name}.sql").read_bytes())


def events(owner: psycopg.Connection) -> list[Any]:
    errors = owner.execute("SELECT sqlstate, message FROM rtp.trigger_error").fetchall()
    assert errors == []
    return owner.execute("SELECT entity, reason, previous, current FROM rtp.event ORDER BY id").fetchall()


def test_latest(owner: psycopg.Connection) -> None:
    run(owner, "latest")
    owner.execute("INSERT INTO public.tvl VALUES ('aave', 100), ('lido', 100)")
    owner.execute("UPDATE public.tvl SET usd = 102")  # 2 %, where lido needs 5 %
    owner.execute("DELETE FROM public.tvl WHERE protocol = 'aave'")
    owner.execute("TRUNCATE public.tvl")
    assert events(owner) == [("aave", "deviation", 100, 102)]
    left = owner.execute("SELECT entity, what, value FROM rtp.sample ORDER BY id").fetchall()
    assert left == [("aave", "deleted", None), ("lido", "deleted", None)]


def samples(owner: psycopg.Connection) -> list[Any]:
    assert events(owner) == []
    return owner.execute("SELECT entity, what, value, confidence, provenance FROM rtp.sample ORDER BY id").fetchall()


@pytest.mark.parametrize("name", ["latest_with_memory", "history"])
def test_samples(owner: psycopg.Connection, name: str) -> None:
    run(owner, name, before=ETH)
    owner.execute("UPDATE market.prices SET price = 101, at = now()")
    assert samples(owner) == [("eth", "sample", 101, 1, "desk")]


@pytest.mark.parametrize("name", ["latest_with_memory", "history"])
def test_samples_of_many_rows(owner: psycopg.Connection, name: str) -> None:
    run(owner, name)
    owner.execute("INSERT INTO market.prices SELECT 'base', 'token ' || n, n FROM generate_series(1, 101) AS n")
    assert [row[:3] for row in samples(owner)] == [(f"token {n}", "sample", n) for n in range(1, 102)]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM market.prices", "UPDATE market.prices SET symbol = NULL", "TRUNCATE market.prices"]
)
@pytest.mark.parametrize("name", ["latest_with_memory", "history"])
def test_what_a_deletion_means(owner: psycopg.Connection, name: str, statement: str) -> None:
    run(owner, name, before=ETH)
    owner.execute(statement.encode())
    gone = [row[:3] for row in owner.execute("SELECT entity, what, value FROM rtp.sample").fetchall()]
    assert gone == ([] if name == "history" else [("eth", "deleted", None)])


def test_sources(owner: psycopg.Connection) -> None:
    run(owner, "sources", before="INSERT INTO public.venue_prices VALUES ('base', 'usdc', 'kraken', 1, now())")
    assert owner.execute("SELECT value FROM rtp.baseline").fetchall() == [(None,)]  # a row is one source's word
    owner.execute("INSERT INTO public.venue_prices VALUES ('base', 'usdc', 'binance', 0.99, now())")
    owner.execute("UPDATE public.venue_prices SET price = 0.98 WHERE venue = 'kraken'")
    assert events(owner) == []
    found = owner.execute("SELECT entity, source, value FROM rtp.sample ORDER BY id").fetchall()
    assert found == [("usdc", "binance", Decimal("0.99")), ("usdc", "kraken", Decimal("0.98"))]


def test_protocol(owner: psycopg.Connection) -> None:
    run(owner, "protocol")
    owner.execute("INSERT INTO public.protocols VALUES ('lido', 'ethereum', 'Lido', '{\"a\": 1}')")
    owner.execute("UPDATE public.protocols SET config = '{\"a\": 2}'")
    owner.execute("DELETE FROM public.protocols")
    assert [row[:2] for row in events(owner)] == [("lido", "added"), ("lido", "changed")]
    assert owner.execute("SELECT entity, what FROM rtp.sample").fetchall() == [("lido", "deleted")]
    assert owner.execute("SELECT fields FROM rtp.baseline").fetchall() == [({"name": "Lido", "config": {"a": 2}},)]


def test_what_was_there_before_is_the_baseline(owner: psycopg.Connection) -> None:
    run(owner, "latest", before="INSERT INTO public.tvl VALUES ('aave', 100)")
    owner.execute("UPDATE public.tvl SET usd = 200")
    assert events(owner) == [("aave", "deviation", 100, 200)]
