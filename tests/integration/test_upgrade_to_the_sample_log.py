"""From schema version 6, under writers: what waited to be judged in SQL is judged by rtp run, all of it and once.

What version 6 left is migrations 1 to 6, which nobody changes, and version_6.sql.
"""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.services.postgres import connect
from tests.eventually import eventually
from tests.judging import judge_ticks, judge_waiting
from tests.watching import settings_of
from triggers.installer import apply, find_drift, plan_installation
from triggers.migrations import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_BY_VERSION_6 = Path(__file__).with_name("version_6.sql")
COLUMNS = {"chain": "chain", "token": "token", "value": "price"}
SAMPLES: dict[str, Any] = {"kind": "price", "table": "public.samples", "percent": "0.001", "shape": "history"}
RATES: dict[str, Any] = {"kind": "price", "table": "public.rates", "percent": 1, "heartbeat": "1h", "columns": COLUMNS}
SETTINGS = settings_of(samples={**SAMPLES, "columns": {**COLUMNS, "changed_at": "at"}}, rates=RATES)


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database as version 6 left it."""
    with closing(connect(database, role="test")) as connection:
        for migration in migrations()[:6]:
            connection.execute(migration.encode())
        connection.execute(LEFT_BY_VERSION_6.read_bytes())
        yield connection


def upgrade(connection: psycopg.Connection) -> None:
    apply(connection, plan_installation(connection, SETTINGS))


def told(connection: psycopg.Connection) -> list[tuple[str, int, int]]:
    rows = connection.execute("SELECT entity, previous, current FROM rtp.event ORDER BY entity, id")
    return [(entity, int(previous), int(current)) for entity, previous, current in rows]


def test_the_database_is_as_a_new_installation_leaves_it(owner: psycopg.Connection) -> None:
    upgrade(owner)
    assert find_drift(owner, SETTINGS) == []


def test_what_waited_is_judged_by_its_time(owner: psycopg.Connection) -> None:
    upgrade(owner)
    judge_waiting(owner)
    # dai's row is a sample, too: version_6.sql brings no trigger that could have seen it.
    assert told(owner) == [("btc", 1000, 2000), ("dai", 100, 100), ("eth", 100, 110), ("eth", 110, 120)]


def test_a_tick_that_waited_is_kept_with_the_value_that_the_table_holds(owner: psycopg.Connection) -> None:
    upgrade(owner)
    judge_ticks(owner)
    reported = owner.execute("SELECT previous, current, reason FROM rtp.event WHERE entity = 'dai'").fetchall()
    assert [(float(previous), float(current), reason) for previous, current, reason in reported] == [
        (100, 100.5, "heartbeat")
    ]


def test_an_upgrade_is_counted(owner: psycopg.Connection) -> None:
    upgrade(owner)
    assert owner.execute("SELECT revision FROM rtp.installation").fetchone() == (1,)


class Climber(threading.Thread):
    """A writer of one token, each sample above the one before, until it is told to stop."""

    def __init__(self, dsn: str, token: str) -> None:
        super().__init__()
        self.prices = [1_000]
        self.error: psycopg.Error | None = None
        self.must_stop = threading.Event()
        self._dsn = dsn
        self._token = token

    def run(self) -> None:
        try:
            with closing(connect(self._dsn, role="writer")) as connection:
                while not self.must_stop.is_set():
                    self.prices.append(self.prices[-1] + 50)
                    connection.execute(
                        "INSERT INTO samples VALUES ('base', %s, %s, clock_timestamp())", [self._token, self.prices[-1]]
                    )
        except psycopg.Error as error:
            self.error = error


@pytest.fixture
def climbers(database: str, owner: psycopg.Connection) -> Iterator[list[Climber]]:
    """Some writers who have written before the upgrade, write while it goes on, and write after it."""
    climbers = [Climber(database, f"token {number}") for number in range(3)]
    for climber in climbers:
        climber.start()
    assert eventually(lambda: all(len(climber.prices) > 20 for climber in climbers))
    upgrade(owner)
    reached = {climber: len(climber.prices) for climber in climbers}
    assert eventually(lambda: all(len(climber.prices) > reached[climber] + 20 for climber in climbers))
    for climber in climbers:
        climber.must_stop.set()
        climber.join()
    yield climbers


def test_no_writer_fails_in_an_upgrade(climbers: list[Climber]) -> None:
    assert [climber.error for climber in climbers] == [None] * 3


def test_no_sample_is_lost_in_an_upgrade_or_judged_twice(climbers: list[Climber], owner: psycopg.Connection) -> None:
    judge_waiting(owner)
    for number, climber in enumerate(climbers):
        steps = [(previous, current) for entity, previous, current in told(owner) if entity == f"token {number}"]
        assert steps == list(zip(climber.prices[1:-1], climber.prices[2:], strict=True))


def test_neither_the_upgrade_nor_a_writer_of_two_tables_fails_where_each_has_what_the_other_wants(
    database: str, owner: psycopg.Connection
) -> None:
    problems: list[Exception] = []

    def upgrade_beside() -> None:
        try:
            with closing(connect(database, role="test")) as connection:
                upgrade(connection)
        except Exception as error:  # noqa: BLE001 - for the test to see
            problems.append(error)

    with psycopg.connect(database) as writer:
        writer.execute("SET deadlock_timeout TO '150ms'")
        writer.execute("UPDATE rates SET price = 200")
        thread = threading.Thread(target=upgrade_beside)
        thread.start()
        assert eventually(lambda: has_locked(owner, "samples"))
        writer.execute("INSERT INTO samples VALUES ('base', 'eth', 130, '2026-01-04')")
    thread.join()
    assert problems == []


def has_locked(connection: psycopg.Connection, table: str) -> bool:
    query = "SELECT FROM pg_locks WHERE relation = %s::regclass AND mode = 'ShareRowExclusiveLock' AND granted"
    return bool(connection.execute(query, [table]).fetchall())
