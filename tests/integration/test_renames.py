"""A row that gets another key is the same entity by another name: one event, and all that is known of it goes over."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.judging.sample_windows import Limits
from tests.effort import seeds
from tests.judging import judge_waiting, judging, server_of
from tests.watching import TVL, install

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = pytest.mark.parametrize("rules", [{}, {"heartbeat": "1d"}], ids=["judged by its trigger", "sampled"])
LEVELS = pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
ANY_LEVEL = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
Told = list[tuple[Any, ...]]


@pytest.fixture
def table(writer: psycopg.Connection) -> Callable[..., psycopg.Connection]:
    """Three protocols in a table whose rows may exchange their names, watched by these rules."""

    def made(rules: dict[str, Any], **more: dict[str, Any]) -> psycopg.Connection:
        writer.execute("ALTER TABLE tvl DROP CONSTRAINT tvl_pkey, ADD UNIQUE (chain, protocol) DEFERRABLE")
        install(writer, tvl=TVL | rules, **more)
        rows = "('e', 'aave', 100, ''), ('e', 'curve', 100.5, ''), ('e', 'lido', 300, '')"
        writer.execute(f"INSERT INTO tvl VALUES {rows}".encode())
        judge_waiting(writer)
        return writer

    return made


def run(writer: psycopg.Connection, level: str, *statements: str) -> None:
    with writer.transaction():
        writer.execute(f"SET TRANSACTION ISOLATION LEVEL {level}".encode())
        for statement in statements:
            writer.execute(statement.encode())
    judge_waiting(writer)


def told(writer: psycopg.Connection) -> Told:
    return writer.execute(
        "SELECT entity, reason, previous::text, current::text, details ->> 'previous_entity' FROM rtp.event ORDER BY id"
    ).fetchall()


def renamed(now: str, before: str, value: str) -> tuple[Any, ...]:
    return now, "renamed", value, value, before


def baselines(writer: psycopg.Connection) -> dict[str, str]:
    """The values of those that are known by a name."""
    return dict(writer.execute("SELECT entity, value::text FROM rtp.baseline WHERE value IS NOT NULL").fetchall())


@BOTH
@LEVELS
def test_a_renamed_row_is_told_once_and_judged_by_what_is_known_of_it(
    table: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = table(rules)
    run(writer, level, "UPDATE tvl SET protocol = 'aave-v3' WHERE protocol = 'aave'")
    run(writer, level, "UPDATE tvl SET protocol = 'steth', tvl_usd = 150 WHERE protocol = 'lido'")
    run(writer, level, "UPDATE tvl SET tvl_usd = 102 WHERE protocol = 'aave-v3'")
    assert told(writer) == [
        renamed("aave-v3", "aave", "100"),
        renamed("steth", "lido", "300"),
        ("steth", "deviation", "300", "150", None),
        ("aave-v3", "deviation", "100", "102", None),
    ]
    assert baselines(writer) == {"aave-v3": "102", "curve": "100.5", "steth": "150"}


@BOTH
@LEVELS
def test_names_that_two_rows_exchange_in_one_statement_are_two_renames(
    table: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = table(rules)
    exchange = (
        "UPDATE tvl SET protocol = CASE protocol WHEN 'aave' THEN 'curve' ELSE 'aave' END WHERE protocol <> 'lido'"
    )
    run(writer, level, exchange)
    assert sorted(told(writer)) == [renamed("aave", "curve", "100.5"), renamed("curve", "aave", "100")]
    assert baselines(writer) == {"aave": "100.5", "curve": "100", "lido": "300"}


@BOTH
@LEVELS
def test_names_that_are_handed_on_in_one_statement_go_all_at_once(
    table: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = table(rules)
    handed_on = (
        "UPDATE tvl SET protocol = CASE protocol WHEN 'aave' THEN 'curve' WHEN 'curve' THEN 'lido' ELSE 'pendle' END"
    )
    run(writer, level, handed_on)
    assert sorted(told(writer)) == [
        renamed("curve", "aave", "100"),
        renamed("lido", "curve", "100.5"),
        renamed("pendle", "lido", "300"),
    ]
    assert baselines(writer) == {"curve": "100", "lido": "100.5", "pendle": "300"}


@BOTH
@LEVELS
def test_of_several_names_in_one_transaction_the_last_is_told(
    table: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = table(rules)
    steps = [("aave", "b"), ("b", "c"), ("lido", "x"), ("x", "lido")]
    run(writer, level, *(f"UPDATE tvl SET protocol = '{now}' WHERE protocol = '{was}'" for was, now in steps))
    assert told(writer) == [renamed("c", "aave", "100")]
    assert baselines(writer) == {"c": "100", "curve": "100.5", "lido": "300"}


@BOTH
@LEVELS
def test_whose_name_another_row_takes_is_deleted_first(
    table: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = table(rules)
    run(
        writer, level,
        "DELETE FROM tvl WHERE protocol = 'lido'",
        "UPDATE tvl SET protocol = 'lido' WHERE protocol = 'aave'",
    )  # fmt: skip
    assert told(writer) == [("lido", "deleted", "300", None, None), renamed("lido", "aave", "100")]
    assert baselines(writer) == {"curve": "100.5", "lido": "100"}


@BOTH
@LEVELS
def test_a_renamed_row_that_goes_is_deleted_by_its_name_of_now(
    table: Callable[..., psycopg.Connection], rules: dict[str, Any], level: str
) -> None:
    writer = table(rules)
    run(
        writer,
        level,
        "UPDATE tvl SET protocol = 'lido-v2' WHERE protocol = 'lido'",
        "DELETE FROM tvl WHERE protocol = 'lido-v2'",
    )
    assert told(writer) == [renamed("lido-v2", "lido", "300"), ("lido-v2", "deleted", "300", None, None)]
    assert baselines(writer) == {"aave": "100", "curve": "100.5"}


@pytest.mark.parametrize("seed", seeds(few=3, many=200))
def test_whatever_names_rows_get_each_transaction_tells_what_became_of_those_that_it_found(
    table: Callable[..., psycopg.Connection], seed: int
) -> None:
    random = Random(seed)
    fields = {"kind": "protocol", "watched": ["tvl_usd"], "columns": {"chain": "chain", "protocol": "protocol"}}
    writer = table(random.choice([{}, {"heartbeat": "1d"}]), fields=TVL | fields)
    for _ in range(12):
        before = names(writer)
        writer.execute("TRUNCATE rtp.event")
        level, statements = random.choice(ANY_LEVEL), [given_names(random) for _ in range(random.choice([1, 1, 2, 3]))]
        run(writer, level, *statements)
        after = names(writer)
        changed = sorted((after[value], before[value]) for value in before if after[value] != before[value])
        for watch in ("tvl", "fields"):
            assert sorted(row[1:] for row in told_of(writer, watch)) == [("renamed", *pair) for pair in changed]
        assert baselines(writer) == {name: value for value, name in after.items()}


@pytest.mark.parametrize("seed", seeds(few=2, many=200))
def test_wherever_the_log_is_cut_and_whoever_is_killed_what_is_known_is_known_by_the_name_of_now(
    table: Callable[..., psycopg.Connection], seed: int
) -> None:
    random = Random(seed)
    writer = table({"heartbeat": "1d"})
    for _ in range(8):
        with writer.transaction():
            writer.execute(f"SET TRANSACTION ISOLATION LEVEL {random.choice(ANY_LEVEL)}".encode())
            for _ in range(random.choice([1, 2, 3])):
                writer.execute(given_names(random).encode())
        limits = Limits(rows=random.choice([1, 2, 3, 1000]), portion=1, piece=random.choice([1, 3, 1000]))
        with judging(server_of(writer), limits=limits) as (_, session):
            for _ in range(random.randrange(6)):
                session.judge_next()
            if random.random() < 0.5:
                session.flush()
    judge_waiting(writer)
    assert baselines(writer) == {name: value for value, name in names(writer).items()}
    assert {row[1] for row in told_of(writer, "tvl")} <= {"renamed"}
    last: dict[str, str] = dict(writer.execute("SELECT current::text, entity FROM rtp.event ORDER BY id").fetchall())
    assert last.items() <= names(writer).items()


def given_names(random: Random) -> str:
    """A statement that gives some rows other names: new ones, each others', or handed on from one to the next."""
    known = random.sample(["aave", "curve", "lido", "new 1", "new 2"], random.choice([1, 2, 3]))
    free = [name for name in ("new 1", "new 2", "new 3") if name not in known]
    given = [*known[1:], random.choice([known[0], *free])]
    cases = " ".join(f"WHEN '{was}' THEN '{now}'" for was, now in zip(known, given, strict=True))
    of_all = f"(SELECT count(*) FROM tvl WHERE protocol IN ({', '.join(map(repr, known))})) = {len(known)}"
    if given[-1] != known[0]:
        of_all += f" AND NOT EXISTS (SELECT FROM tvl WHERE protocol = '{given[-1]}')"
    return f"UPDATE tvl SET protocol = CASE protocol {cases} ELSE protocol END WHERE {of_all}"


def names(writer: psycopg.Connection) -> dict[str, str]:
    """What each row is called, by its value, which stays."""
    return dict(writer.execute("SELECT tvl_usd::text, protocol FROM tvl").fetchall())


def told_of(writer: psycopg.Connection, watch: str) -> Told:
    return writer.execute(
        "SELECT e.id, reason, entity, details ->> 'previous_entity'"
        " FROM rtp.event AS e JOIN rtp.watch AS w ON w.id = e.watch WHERE w.name = %s",
        [watch],
    ).fetchall()
