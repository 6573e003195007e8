"""The load test's writes: all of them, each when it is due, whatever happens to their connection."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import gevent
import psycopg
import pytest

from core.errors import ConnectionLost
from core.services.postgres import connect, queries
from loadtests.scenarios.names import CHAIN
from loadtests.scenarios.processes.scheduled_writes import ScheduledWrites
from loadtests.scenarios.processes.tick import Recorder, Tick
from loadtests.scenarios.processes.writer import UserWriter
from loadtests.scenarios.scenario import Scenario
from loadtests.shared.latency_buckets import percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTITIES = 4
WRITES = 40
SECONDS = 0.4
QUERIES = queries("loadtests.scenarios", "writes.sql")
SINGLE = Scenario("single", "single rows", entities=ENTITIES)
WHOLE = Scenario("whole", "all rows in one statement", entities=ENTITIES, rows_per_write=ENTITIES)


@pytest.fixture
def table(database: str) -> Iterator[psycopg.Connection]:
    """A connection to a database with the load test's table, without triggers."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(QUERIES["create_schema"])
        connection.execute(QUERIES["create_latest"])
        connection.execute(QUERIES["seed"], {"chain": CHAIN, "entities": ENTITIES})
        yield connection


def connector(table: psycopg.Connection, refused: int) -> Callable[[], psycopg.Connection]:
    """Connects to the same database; but for the first time, it is refused so often."""
    refusals = iter([False] + [True] * refused)

    def connected() -> psycopg.Connection:
        if next(refusals, False):
            raise ConnectionLost("PostgreSQL", "127.0.0.1", "away")
        return connect(f"{table.info.dsn} password={table.info.password}", role="loadtest writer")

    return connected


class Written:
    """Evenly spaced writes of one user, on their way; what they have recorded, when they are done."""

    def __init__(self, table: psycopg.Connection, scenario: Scenario = SINGLE, refused: int = 0) -> None:
        self.failures: list[psycopg.Error] = []
        connects = connector(table, refused)
        self._writer, self._recorder = UserWriter(scenario, 0, 1), Recorder()
        schedule = (number * SECONDS / WRITES for number in range(WRITES))
        self._writes = ScheduledWrites(self._writer, schedule, connects, self._recorder, self.failures.append)
        (start_time,) = table.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone() or (0.0,)
        self._running = gevent.spawn(self._writes.run, start_time)

    def until(self, seconds: float) -> None:
        """Let them write for so long."""
        gevent.sleep(seconds)

    def done(self) -> Tick:
        self._running.get(timeout=30)
        self._writes.close()
        return self._recorder.take()

    @property
    def numbers(self) -> dict[str, int]:
        return self._writer.written


def marked(table: psycopg.Connection) -> dict[str, int]:
    """The number of each row's last write."""
    return dict(table.execute("SELECT protocol, split_part(source, ':', 1)::int FROM rtp_loadtest.tvl").fetchall())


def in_all(tick: Tick, name: str) -> int:
    return tick.counts.get(name, Counter()).total()


@pytest.mark.parametrize("scenario", [SINGLE, WHOLE], ids=["single", "whole"])
def test_all_writes_of_the_schedule_are_made(table: psycopg.Connection, scenario: Scenario) -> None:
    written = Written(table, scenario)
    tick = written.done()
    rows = WRITES * scenario.rows_per_write
    assert in_all(tick, "written") == sum(written.numbers.values()) == rows
    assert marked(table) == written.numbers == {f"p{number}": rows // ENTITIES for number in range(ENTITIES)}


def test_what_was_due_while_a_write_was_held_up_is_late(table: psycopg.Connection) -> None:
    """No coordinated omission: a stall is seen by all that was due while it lasted."""
    with table.transaction():
        table.execute("SELECT FROM rtp_loadtest.tvl FOR UPDATE")
        written = Written(table)
        written.until(SECONDS / 2)
    tick = written.done()
    p75 = percentile(tick.latencies["lateness"][0], 0.75)
    assert p75 is not None
    assert p75 >= 50


def test_a_write_whose_connection_ends_is_repeated_on_another(table: psycopg.Connection) -> None:
    with table.transaction():
        table.execute("SELECT FROM rtp_loadtest.tvl FOR UPDATE")
        written = Written(table)
        written.until(SECONDS / 4)
        table.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
    tick = written.done()
    assert (len(written.failures), in_all(tick, "write failed"), in_all(tick, "written")) == (1, 1, WRITES)
    assert marked(table) == written.numbers


@pytest.mark.parametrize("refused", [0, 2])
def test_a_connection_that_ends_between_two_writes_is_replaced(table: psycopg.Connection, refused: int) -> None:
    written = Written(table, refused=refused)
    table.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'writer'")
    tick = written.done()
    assert (len(written.failures), in_all(tick, "written")) == (1, WRITES)


def test_a_statement_that_is_refused_is_repeated(table: psycopg.Connection) -> None:
    table.execute("ALTER TABLE rtp_loadtest.tvl ADD CHECK (source = 'seed') NOT VALID")
    written = Written(table)
    written.until(SECONDS / 4)
    table.execute("ALTER TABLE rtp_loadtest.tvl DROP CONSTRAINT tvl_source_check")
    tick = written.done()
    assert {type(failure) for failure in written.failures} == {psycopg.errors.CheckViolation}
    assert in_all(tick, "written") == WRITES
