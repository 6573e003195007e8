"""The golden files run: each makes its watch report, on a real server, and leaves no error."""

from __future__ import annotations

from contextlib import closing
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
    assert events(owner) == [
        ("aave", "deviation", 100, 102),
        ("aave", "deleted", 102, None),
        ("lido", "deleted", 100, None),
    ]


@pytest.mark.parametrize("name", ["latest_with_memory", "history"])
def test_samples(owner: psycopg.Connection, name: str) -> None:
    run(owner, name, before=ETH)
    owner.execute("UPDATE market.prices SET price = 101, at = now()")
    assert events(owner)[:1] == [("eth", "deviation", 100, 101)]


@pytest.mark.parametrize(("name", "reported"), [("latest_with_memory", ["deleted"]), ("history", [])])
def test_what_a_deletion_means(owner: psycopg.Connection, name: str, reported: list[str]) -> None:
    run(owner, name, before=ETH)
    owner.execute("DELETE FROM market.prices")
    assert [row[1] for row in events(owner)] == reported


@pytest.mark.parametrize("name", ["latest_with_memory", "history"])
def test_more_samples_than_are_judged_at_once_are_left_to_rtp_run(owner: psycopg.Connection, name: str) -> None:
    run(owner, name)
    owner.execute("INSERT INTO market.prices SELECT 'base', 'token ' || n, n FROM generate_series(1, 101) AS n")
    assert events(owner) == []
    assert owner.execute("SELECT count(*) FROM rtp.sample").fetchone() == (101,)


def test_protocol(owner: psycopg.Connection) -> None:
    run(owner, "protocol")
    owner.execute("INSERT INTO public.protocols VALUES ('lido', 'ethereum', 'Lido', '{\"a\": 1}')")
    owner.execute("UPDATE public.protocols SET config = '{\"a\": 2}'")
    owner.execute("DELETE FROM public.protocols")
    assert [row[:2] for row in events(owner)] == [("lido", "added"), ("lido", "changed"), ("lido", "removed")]


def test_what_was_there_before_is_the_baseline(owner: psycopg.Connection) -> None:
    run(owner, "latest", before="INSERT INTO public.tvl VALUES ('aave', 100)")
    owner.execute("UPDATE public.tvl SET usd = 200")
    assert events(owner) == [("aave", "deviation", 100, 200)]
