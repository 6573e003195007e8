"""A newer rtp migrates the schema while this one runs, leader and standby: both end before they could do harm.

The newer one is this one with one more migration, made up, which marks the events that are written from then on.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from core.log.installation import SCHEMA_VERSION
from core.services.postgres import connect
from core.settings.models import postgres_dsn
from tests.eventually import eventually
from tests.rtp_process import environ_of, rtp
from tests.standbys import PATIENT_SECONDS, in_log, in_stream, run, two_running, write
from triggers.installer import apply, plan_installation
from triggers.migrations import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from core.settings.models import Settings

pytestmark = pytest.mark.timeout(120)

MARK = "ALTER TABLE rtp.event ADD COLUMN is_newer boolean; ALTER TABLE rtp.event ALTER COLUMN is_newer SET DEFAULT true"
UNMARK = "ALTER TABLE rtp.event DROP COLUMN is_newer"
REFUSAL = f"the database has rtp schema version {SCHEMA_VERSION + 1}, this rtp needs {SCHEMA_VERSION}. "


class Writer(threading.Thread):
    """Writes one step after another, until told to stop."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.steps = 0
        self.longest_seconds = 0.0
        self.must_stop = threading.Event()
        self._dsn = dsn

    def run(self) -> None:
        with closing(connect(self._dsn, role="writer")) as connection:
            while not self.must_stop.wait(0.002):
                began_at = time.monotonic()
                write(connection, self.steps, self.steps % 3)
                self.longest_seconds = max(self.longest_seconds, time.monotonic() - began_at)
                self.steps += 1


@dataclass(frozen=True)
class Ended:
    """What came of an upgrade beside a leader and its standby."""

    codes: tuple[int, int]
    errors: tuple[str, str]
    seconds: float
    writer: Writer


def install_newer(connection: psycopg.Connection, settings: Settings) -> None:
    """As the rtp after this one does."""
    newer = (*migrations(), MARK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("triggers.migrations.migrations", lambda: newer)
        apply(connection, plan_installation(connection, settings))


@pytest.fixture(scope="module")
def owner(shared_settings: Settings) -> Iterator[psycopg.Connection]:
    with closing(connect(postgres_dsn(shared_settings), role="test")) as connection:
        yield connection


@pytest.fixture(scope="module")
def ended(shared_settings: Settings, shared_config: str, owner: psycopg.Connection) -> Ended:
    """A leader and its standby that an upgrade has ended, with a writer that goes on meanwhile and afterwards."""
    with two_running(shared_settings, shared_config) as (leader, standby):
        writer = Writer(postgres_dsn(shared_settings))
        writer.start()
        eventually(lambda: len(in_stream(shared_settings)) > 20, within_seconds=PATIENT_SECONDS)
        install_newer(owner, shared_settings)
        began_at = time.monotonic()
        codes = leader.end(), standby.end()
        seconds = time.monotonic() - began_at
        reached = writer.steps
        eventually(lambda: writer.steps > reached + 20, within_seconds=PATIENT_SECONDS)
        writer.must_stop.set()
        writer.join()
        return Ended(codes, (leader.err, standby.err), seconds, writer)


def test_leader_and_standby_end_at_once_with_exit_code_2(ended: Ended) -> None:
    assert ended.codes == (2, 2)
    print(f"both had ended after {ended.seconds:.2f} s")  # noqa: T201


def test_each_says_in_one_line_what_to_do(ended: Ended) -> None:
    for error in ended.errors:
        (line,) = [line for line in error.splitlines() if "schema version" in line]
        assert REFUSAL in line
        assert "has migrated it: start that one" in line
        assert "Traceback" not in error


def test_neither_delivers_what_was_written_after_the_upgrade(
    ended: Ended, shared_settings: Settings, owner: psycopg.Connection
) -> None:
    newer = {id_ for (id_,) in owner.execute("SELECT id FROM rtp.event WHERE is_newer").fetchall()}
    assert len(newer) > 20
    assert newer & {id_ for _, id_ in in_stream(shared_settings)} == set()


def test_no_writer_fails_or_waits_for_longer_than_for_a_lock(ended: Ended) -> None:
    assert ended.writer.longest_seconds < 3
    print(f"the longest write took {ended.writer.longest_seconds:.3f} s")  # noqa: T201


@pytest.mark.parametrize("command", ["run", "status", "install-triggers"])
def test_the_older_one_refuses_the_newer_schema(
    ended: Ended, shared_settings: Settings, shared_config: str, command: str
) -> None:
    with rtp(command, "-c", shared_config, environ=environ_of(shared_settings)) as process:
        assert process.end() == 2
        assert f"the database has rtp schema version {SCHEMA_VERSION + 1}, this rtp " in process.err


def test_whoever_comes_next_delivers_all_that_waits_in_order(
    ended: Ended, shared_settings: Settings, shared_config: str, owner: psycopg.Connection
) -> None:
    owner.execute(UNMARK)
    owner.execute("UPDATE rtp.installation SET schema_version = %s", [SCHEMA_VERSION])
    with run(shared_settings, shared_config, "--until-idle") as process:
        assert process.end() == 0
    # What was delivered at the end, and not noted any more, comes a second time.
    assert list(dict.fromkeys(in_stream(shared_settings))) == in_log(owner)
