"""From each earlier schema version, under writers and beside an rtp run of then: nothing significant is lost.

left_by_versions.sql says what each version has left.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.letters.table import read_letters
from core.log.reader import LogReader
from core.services.postgres import DatabaseServer, connect
from tests.eventually import eventually
from tests.judging import judge_waiting
from tests.watching import settings_of
from triggers.installer import LOCK_TIMEOUT, apply, find_drift, plan_installation
from triggers.migrations import migrations, newest_version

if TYPE_CHECKING:
    from collections.abc import Callable

LEFT = re.split(r"^-- version \d+\n", Path(__file__).with_name("left_by_versions.sql").read_text("utf-8"), flags=re.M)
POOLS: dict[str, Any] = {"kind": "tvl", "table": "public.pools", "percent": "0.001"}
TICKS: dict[str, Any] = {"kind": "price", "table": "public.ticks", "percent": "0.001", "shape": "history"}
SETTINGS = settings_of(
    pools={**POOLS, "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl"}},
    ticks={**TICKS, "columns": {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"}},
)
# What an rtp run had open: version 6 brought leader and standby.
SESSIONS = ("redis", "wakeup", "leader", "standby 7@there")
UPDATE_POOL = "UPDATE public.pools SET tvl = %(value)s WHERE protocol = 'aave'"
INSERT_TICK = "INSERT INTO public.ticks VALUES ('base', 'eth', %(value)s, clock_timestamp())"
STEP = 50


class Climber(threading.Thread):
    """A writer of ever higher values, each of them significant, until told to stop."""

    def __init__(self, dsn: str, statement: str, first: int) -> None:
        super().__init__()
        self.values = [first]
        self.longest_seconds = 0.0
        self.error: psycopg.Error | None = None
        self.must_stop = threading.Event()
        self._dsn, self._statement = dsn, statement.encode()

    def run(self) -> None:
        try:
            with closing(connect(self._dsn, role="writer")) as connection:
                while not self.must_stop.is_set():
                    self.values.append(self.values[-1] + STEP)
                    began_at = time.monotonic()
                    connection.execute(self._statement, {"value": self.values[-1]})
                    self.longest_seconds = max(self.longest_seconds, time.monotonic() - began_at)
        except psycopg.Error as error:
            self.error = error

    @property
    def steps(self) -> list[tuple[int, int]]:
        """From which value to which it went."""
        return list(zip(self.values, self.values[1:], strict=False))


def leave_as(connection: psycopg.Connection, version: int) -> None:
    """Bring an empty database to where rtp of that version has left it."""
    for migration, left in zip(migrations()[:version], LEFT[1 : version + 1], strict=True):
        connection.execute(migration.encode())
        connection.execute(left.encode())
    connection.execute("UPDATE rtp.installation SET schema_version = %s", [version])


def told(connection: psycopg.Connection, entity: str) -> list[tuple[int, int]]:
    query = "SELECT previous, current FROM rtp.event WHERE entity = %s AND previous IS NOT NULL ORDER BY id"
    return [(int(previous), int(current)) for previous, current in connection.execute(query, [entity])]


def upgrade_under(climbers: list[Climber], upgrade: Callable[[], None]) -> None:
    """The writers have written before the upgrade, write while it goes on, and write after it."""
    for climber in climbers:
        climber.start()
    try:
        assert eventually(lambda: all(len(climber.values) > 10 for climber in climbers))
        upgrade()
        reached = [len(climber.values) for climber in climbers]
        assert eventually(lambda: all(len(c.values) > r + 10 for c, r in zip(climbers, reached, strict=True)))
    finally:
        for climber in climbers:
            climber.must_stop.set()
            climber.join()


@pytest.mark.parametrize("version", range(1, newest_version()))
def test_an_upgrade_loses_nothing_and_stops_nobody_but_the_older_rtp_run(database: str, version: int) -> None:
    pools = Climber(database, UPDATE_POOL, 300 if version < 3 else 400)
    ticks = Climber(database, INSERT_TICK, 1050 if version < 7 else 1100)
    with ExitStack() as exits:
        owner = exits.enter_context(closing(connect(database, role="test")))
        leave_as(owner, version)
        older = [exits.enter_context(closing(connect(database, role=role))) for role in SESSIONS]
        upgrade_under([pools, ticks], lambda: apply(owner, plan_installation(owner, SETTINGS)))

        # No writer failed, or waited for longer than an installation waits for a lock.
        assert [writer.error for writer in (pools, ticks)] == [None, None]
        assert max(pools.longest_seconds, ticks.longest_seconds) < float(LOCK_TIMEOUT.removesuffix("s"))
        # Whoever ran by the older schema has no session any more.
        assert [session.closed or is_ended(session) for session in older] == [True] * len(SESSIONS)
        # The schema is today's.
        assert find_drift(owner, SETTINGS) == []
        # Each step was reported, once and in order: what a trigger judged, and what waited to be judged.
        judge_waiting(owner)
        before = [(100, 200), (200, 300), (300, 400)][: 2 if version < 3 else 3]
        assert told(owner, "aave") == before + pools.steps
        assert told(owner, "eth") == [(1000, 1050), (1050, 1100)][: 1 if version < 7 else 2] + ticks.steps
        # The sink goes on behind what it had got, in the log of then.
        with closing(LogReader(DatabaseServer(database), "redis")) as reader:
            reader.open()
            first = reader.read(1).rows[0]
        assert (reader.log_id, first.previous, first.current) == ("1ce4fa4878cc", "200", "300")
        # What only some versions could leave is there.
        assert [(letter.error, letter.status) for letter in read_letters(owner)] == [("refused", "dead")]
        assert kept(owner) == {
            "latest_event": version >= 2,
            "traceparent": version >= 3,
            "process": version >= 4,
            "dropped letter": version >= 5,
            "epoch": version >= 6,
            "set_aside": version >= 8,
            "deleted": version >= 8,
            "newcomer": version >= 9,
        }


def is_ended(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def kept(connection: psycopg.Connection) -> dict[str, bool]:
    """Which of the rows are there that one version after the other could leave."""
    queries = {
        "latest_event": "FROM rtp.latest_event WHERE entity = 'sushi' AND current = 2",
        "traceparent": "FROM rtp.event WHERE current = 400 AND traceparent LIKE '00-0af7651916cd%'",
        "process": "FROM rtp.process WHERE version = '0.0.4'",
        "dropped letter": "FROM rtp.dead_letter WHERE status = 'dropped' AND entity = 'sushi'",
        "epoch": "FROM rtp.leader JOIN rtp.cursor USING (epoch) WHERE epoch = 6",
        "set_aside": "FROM rtp.set_aside WHERE why = 'late' AND weight = 8",
        "deleted": "FROM rtp.event WHERE entity = 'gone' AND reason = 'deleted' AND previous = 800",
        "newcomer": "FROM rtp.baseline WHERE entity = 'new' AND value = 900",
    }
    return {what: bool(connection.execute(f"SELECT {query}".encode()).fetchall()) for what, query in queries.items()}
