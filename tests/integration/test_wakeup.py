"""Sleep and wake-up: writers notify only a sleeping rtp, and no event is late, whatever happens at whichever moment."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest

from core.leading.epoch import UNFENCED, Epoch, Epochs
from core.log.reader import LogReader
from core.processor.build import postgres_server
from core.processor.delivery import Delivery
from core.processor.wakeup import WakeUp
from core.services.postgres import DatabaseServer, queries
from core.settings.models import RunSettings, Settings, postgres_dsn
from core.sinks import Outcome, Sink
from tests.cut import cut
from tests.eventually import eventually
from tests.recoveries import quiet_recovery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.stack import EmbeddedStack
    from rtp_client.event import Event

Connect = Callable[[], psycopg.Connection]

LATE_SECONDS = 2.0
SLEEPY = RunSettings(idle_before_sleep_ms=0, fallback_poll_seconds=60)
WIDE_AWAKE = RunSettings(idle_before_sleep_ms=60_000)


@pytest.fixture(autouse=True)
def lido(writer: psycopg.Connection) -> None:
    """An entity that has been seen: its next value is a change."""
    writer.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 1, '')")


def change(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE tvl SET tvl_usd = tvl_usd * 2 WHERE protocol = 'lido'")


@contextmanager
def running(settings: Settings, run: RunSettings) -> Iterator[WakeUp]:
    wakeup = WakeUp(postgres_server(settings), run, Epochs(UNFENCED), recovery=quiet_recovery())
    wakeup.start()
    try:
        yield wakeup
    finally:
        wakeup.request_stop()
        wakeup.join()


# Who notifies


class Listener:
    """What reaches the channel up to a marker of the test's own, so that silence needs no waiting."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("LISTEN rtp_wake")

    def heard(self, writer: psycopg.Connection) -> list[str]:
        writer.execute("NOTIFY rtp_wake, 'marker'")
        payloads = []
        for notification in self._connection.notifies(timeout=10):
            if notification.payload == "marker":
                break
            payloads.append(notification.payload)
        return payloads


@pytest.fixture
def listener(connect_again: Connect) -> Listener:
    return Listener(connect_again())


def test_writers_do_not_notify_while_rtp_is_awake(
    installed: Settings, listener: Listener, writer: psycopg.Connection
) -> None:
    with running(installed, WIDE_AWAKE) as wakeup:
        eventually(lambda: wakeup.holds_lock)
        change(writer)
        assert listener.heard(writer) == []


def test_writers_notify_without_a_payload_while_rtp_sleeps(
    installed: Settings, listener: Listener, writer: psycopg.Connection
) -> None:
    with running(installed, SLEEPY) as wakeup:
        eventually(lambda: wakeup.is_asleep)
        change(writer)
        assert listener.heard(writer) == [""]


def test_writers_notify_while_no_rtp_runs(listener: Listener, writer: psycopg.Connection) -> None:
    change(writer)
    assert listener.heard(writer) == [""]


def test_writers_notify_again_once_rtp_has_stopped(
    installed: Settings, listener: Listener, writer: psycopg.Connection
) -> None:
    with running(installed, WIDE_AWAKE) as wakeup:
        eventually(lambda: wakeup.holds_lock)
    eventually(lambda: not holder(writer))  # the server takes a moment to end a session that was closed
    change(writer)
    assert listener.heard(writer) == [""]


def test_an_insignificant_change_notifies_nobody(listener: Listener, writer: psycopg.Connection) -> None:
    writer.execute("UPDATE tvl SET tvl_usd = 1.001")
    assert listener.heard(writer) == []


def test_a_rolled_back_change_notifies_nobody(listener: Listener, writer: psycopg.Connection) -> None:
    with writer.transaction(force_rollback=True):
        change(writer)
    assert listener.heard(writer) == []


def test_a_writer_keeps_no_lock_after_its_statement(writer: psycopg.Connection, connect_again: Connect) -> None:
    with writer.transaction():
        change(writer)
        assert connect_again().execute("SELECT pg_try_advisory_lock(7500912, 1)").fetchone() == (True,)


def test_a_second_rtp_polls_without_the_lock(installed: Settings) -> None:
    with running(installed, WIDE_AWAKE) as first:
        eventually(lambda: first.holds_lock)
        with running(installed, WIDE_AWAKE) as second:
            assert not second.holds_lock


def test_a_second_rtp_takes_the_lock_when_it_becomes_free(installed: Settings, connect_again: Connect) -> None:
    holder = connect_again()
    holder.execute("SELECT pg_advisory_lock(7500912, 1)")
    with running(installed, WIDE_AWAKE) as wakeup:
        holder.execute("SELECT pg_advisory_unlock(7500912, 1)")
        assert eventually(lambda: wakeup.holds_lock)


def test_rtp_does_not_sleep_while_another_session_keeps_writers_from_notifying(
    installed: Settings, connect_again: Connect
) -> None:
    holder = connect_again()
    holder.execute("SELECT pg_advisory_lock(7500912, 1)")
    with running(installed, SLEEPY) as wakeup:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            assert not wakeup.is_asleep
            wakeup.wait(time.monotonic(), 0.01)
        holder.execute("SELECT pg_advisory_unlock(7500912, 1)")
        eventually(lambda: wakeup.is_asleep)


# How long a sink waits


def waiting(wakeup: WakeUp, read_started: float) -> threading.Thread:
    thread = threading.Thread(target=wakeup.wait, args=(read_started, 0.001))
    thread.start()
    return thread


def ends(thread: threading.Thread) -> bool:
    thread.join(LATE_SECONDS)
    return not thread.is_alive()


def test_a_read_from_before_the_quiet_does_not_put_its_sink_to_sleep(installed: Settings) -> None:
    read_started = time.monotonic()
    with running(installed, SLEEPY) as wakeup:
        eventually(lambda: wakeup.is_asleep)
        assert ends(waiting(wakeup, read_started))


def test_a_notification_ends_the_wait(installed: Settings, writer: psycopg.Connection) -> None:
    with running(installed, SLEEPY) as wakeup:
        eventually(lambda: wakeup.is_asleep)
        thread = waiting(wakeup, time.monotonic())
        change(writer)
        assert ends(thread)


def test_the_fallback_poll_ends_the_wait(installed: Settings) -> None:
    with running(installed, RunSettings(idle_before_sleep_ms=0, fallback_poll_seconds=0.05)) as wakeup:
        eventually(lambda: wakeup.is_asleep)
        assert ends(waiting(wakeup, time.monotonic()))


def test_a_stop_ends_the_wait(installed: Settings) -> None:
    with running(installed, SLEEPY) as wakeup:
        eventually(lambda: wakeup.is_asleep)
        thread = waiting(wakeup, time.monotonic())
    assert ends(thread)


def test_a_wakeup_that_was_never_started_can_be_stopped(installed: Settings) -> None:
    wakeup = WakeUp(postgres_server(installed), SLEEPY, Epochs(UNFENCED), recovery=quiet_recovery())
    wakeup.request_stop()
    assert wakeup.join()


def test_rtp_does_not_sleep_while_it_works(installed: Settings) -> None:
    with running(installed, RunSettings(idle_before_sleep_ms=60_000)) as wakeup:
        eventually(lambda: wakeup.holds_lock)
        wakeup.active()
        assert not wakeup.is_asleep


def test_rtp_does_not_sleep_while_a_transaction_from_before_is_open(
    installed: Settings, connect_again: Connect
) -> None:
    early = connect_again()
    early.autocommit = False
    early.execute("SELECT pg_current_xact_id()")
    steps = Steps()
    with stepping(installed, SLEEPY, steps) as wakeup:
        eventually(lambda: steps.passed.count("after all_ended") > 2)
        was_asleep = wakeup.is_asleep
        early.rollback()
        assert (was_asleep, eventually(lambda: wakeup.is_asleep)) == (False, True)


def test_work_while_falling_asleep_keeps_rtp_awake(installed: Settings, connect_again: Connect) -> None:
    early = connect_again()
    early.autocommit = False
    early.execute("SELECT pg_current_xact_id()")
    steps = Steps()
    with stepping(installed, RunSettings(idle_before_sleep_ms=50), steps) as wakeup:
        eventually(lambda: "after all_ended" in steps.passed)
        wakeup.active()
        assert eventually(lambda: steps.passed.count("after take_awake") == 2)


# Outages of its own connection


def holder(connection: psycopg.Connection) -> set[int]:
    """The session that keeps triggers from notifying, if any does."""
    query = (
        "SELECT pid FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND classid = 7500912 AND objid = 1 AND granted AND datname = current_database()"
    )
    return {pid for (pid,) in connection.execute(query)}


def test_a_cut_connection_ends_the_sleep(installed: Settings, writer: psycopg.Connection) -> None:
    with running(installed, SLEEPY) as wakeup:
        eventually(lambda: wakeup.is_asleep)
        thread = waiting(wakeup, time.monotonic())
        cut(writer, named="rtp wakeup")
        assert ends(thread)


def test_a_cut_connection_is_made_again(installed: Settings, writer: psycopg.Connection) -> None:
    with running(installed, WIDE_AWAKE):
        first = eventually(lambda: holder(writer))
        cut(writer, named="rtp wakeup")
        assert eventually(lambda: holder(writer) - first)


def test_a_server_that_is_not_there_yet_is_waited_for(installed: Settings, stack: EmbeddedStack) -> None:
    stack.postgres.stop()
    with running(installed, WIDE_AWAKE) as wakeup:
        stack.postgres.start()
        assert eventually(lambda: wakeup.holds_lock)


# No wake-up is lost: the thread that watches over sleep, held still at each of its steps


class Steps:
    """Notes each step that the thread takes, and holds it still at one of them, once."""

    def __init__(self, hold_at: str | None = None) -> None:
        self.passed: list[str] = []
        self.is_held = threading.Event()
        self.may_go_on = threading.Event()
        self._hold_at = hold_at

    def take(self, step: str) -> None:
        self.passed.append(step)
        if step == self._hold_at and not self.is_held.is_set():
            self.is_held.set()
            self.may_go_on.wait(20)


class SteppedConnection:
    """A connection that says before and after each of the wake-up's queries which one it is."""

    def __init__(self, connection: psycopg.Connection, steps: Steps) -> None:
        self._connection = connection
        self._steps = steps
        self._names = {query: name for name, query in queries("core.sql", "wakeup.sql").items()}

    def __enter__(self) -> SteppedConnection:
        self._connection.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)

    def execute(self, query: Any, values: Any = None, **options: Any) -> Any:
        if query not in self._names:
            return self._connection.execute(query, values, **options)
        self._steps.take(f"before {self._names[query]}")
        answer = self._connection.execute(query, values)
        self._steps.take(f"after {self._names[query]}")
        return answer

    def notifies(self, **options: Any) -> Any:
        self._steps.take("before listening")
        return self._connection.notifies(**options)


@dataclass(frozen=True)
class SteppedServer(DatabaseServer):
    """A server whose connections of the wake-up take their steps as told."""

    steps: Steps = field(default_factory=Steps)

    def connect(self, role: str, *, is_hasty: bool = True) -> psycopg.Connection:
        connection = super().connect(role, is_hasty=is_hasty)
        return connection if role == "check" else cast("psycopg.Connection", SteppedConnection(connection, self.steps))


@contextmanager
def stepping(settings: Settings, run: RunSettings, steps: Steps) -> Iterator[WakeUp]:
    """A running wake-up that takes its steps as told."""
    server = SteppedServer(postgres_dsn(settings), steps=steps)
    wakeup = WakeUp(server, run, Epochs(UNFENCED), recovery=quiet_recovery())
    wakeup.start()
    try:
        yield wakeup
    finally:
        steps.may_go_on.set()
        wakeup.request_stop()
        wakeup.join()


class Recorder(Sink):
    """A sink that notes when each event arrived, and how late that was after the trigger."""

    name = "recorder"
    service = "recorder"
    address = "here"
    batch_size = 3
    poll_interval_seconds = 0.001
    epoch: Epoch = UNFENCED

    def __init__(self) -> None:
        self.sequences: list[int] = []

    def open(self) -> None:
        pass

    def deliver(self, events: Sequence[Event]) -> Outcome:
        self.sequences += [int(event.sequence) for event in events]
        return Outcome()

    def close(self) -> None:
        pass


@contextmanager
def delivering(settings: Settings, wakeup: WakeUp) -> Iterator[tuple[Recorder, Delivery]]:
    sink = Recorder()
    reader = LogReader(postgres_server(settings), sink.name)
    delivery = Delivery(
        sink,
        reader,
        wakeup,
        Epochs(UNFENCED),
        source="/rtp",
        max_attempts=3,
        on_problem=lambda _: None,
        log=quiet_recovery(),
        service=quiet_recovery("recorder"),
    )
    delivery.start()
    try:
        yield sink, delivery
    finally:
        delivery.request_stop()
        wakeup.request_stop()
        wakeup.join()
        delivery.join()


STEPS = [
    "before release_awake",
    "after release_awake",
    "before note_next_xid",
    "after note_next_xid",
    "before all_ended",
    "after all_ended",
    "before listening",
    "before take_awake",
    "after take_awake",
]


@pytest.mark.parametrize("step", STEPS)
def test_an_event_committed_at_any_step_is_delivered_at_once(
    installed: Settings, writer: psycopg.Connection, step: str
) -> None:
    steps = Steps(hold_at=step)
    with stepping(installed, SLEEPY, steps) as wakeup, delivering(installed, wakeup) as (sink, _):
        assert steps.is_held.wait(10)
        change(writer)
        steps.may_go_on.set()
        assert eventually(lambda: len(sink.sequences) == 1, within_seconds=LATE_SECONDS)


@pytest.mark.parametrize("step", STEPS[: STEPS.index("before listening")])
def test_an_event_written_before_the_fall_and_committed_at_any_step_is_delivered_at_once(
    installed: Settings, connect_again: Connect, step: str
) -> None:
    early = connect_again()
    early.autocommit = False
    steps = Steps(hold_at=step)
    holder = connect_again()
    holder.execute("SELECT pg_advisory_lock(7500912, 1)")  # as an rtp that is awake: the trigger does not notify
    change(early)
    holder.close()
    with stepping(installed, SLEEPY, steps) as wakeup, delivering(installed, wakeup) as (sink, _):
        assert steps.is_held.wait(10)
        early.commit()
        steps.may_go_on.set()
        assert eventually(lambda: len(sink.sequences) == 1, within_seconds=LATE_SECONDS)


@pytest.mark.parametrize("step", STEPS)
def test_an_event_written_at_any_step_and_committed_later_is_delivered_at_once(
    installed: Settings, connect_again: Connect, step: str
) -> None:
    slow = connect_again()
    slow.autocommit = False
    steps = Steps(hold_at=step)
    with stepping(installed, SLEEPY, steps) as wakeup, delivering(installed, wakeup) as (sink, _):
        assert steps.is_held.wait(10)
        change(slow)
        seen = len(steps.passed)
        steps.may_go_on.set()
        # As deep asleep as it gets: either it waits for this very transaction, or it listens.
        eventually(
            lambda: steps.passed[seen:].count("after all_ended") > 2 or "before listening" in steps.passed[seen:]
        )
        slow.commit()
        assert eventually(lambda: len(sink.sequences) == 1, within_seconds=LATE_SECONDS)


def test_an_event_written_before_the_fall_and_committed_long_after_is_delivered_at_once(
    installed: Settings, connect_again: Connect
) -> None:
    early = connect_again()
    early.autocommit = False
    holder = connect_again()
    holder.execute("SELECT pg_advisory_lock(7500912, 1)")  # as an rtp that is awake: the trigger does not notify
    change(early)
    holder.close()
    steps = Steps()
    with stepping(installed, SLEEPY, steps) as wakeup, delivering(installed, wakeup) as (sink, _):
        eventually(lambda: steps.passed.count("after all_ended") > 2 or "before listening" in steps.passed)
        early.commit()
        assert eventually(lambda: len(sink.sequences) == 1, within_seconds=LATE_SECONDS)


# No wake-up is lost: chance looks for the moments that nobody thought of


def test_no_event_of_random_writers_is_late(installed: Settings, connect_again: Connect) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  (pytest shows it where the test fails)
    is_over = threading.Event()
    connections = [connect_again() for _ in range(3)]
    for number, connection in enumerate(connections):
        connection.execute("INSERT INTO tvl VALUES ('ethereum', %s, 1, '')", [f"p{number}"])

    def write_at_random(number: int) -> None:
        dice = random.Random(seed + number)
        connection = connections[number]
        while not is_over.is_set():
            with connection.transaction(force_rollback=dice.random() < 0.1):
                connection.execute("UPDATE tvl SET tvl_usd = tvl_usd + 1000 WHERE protocol = %s", [f"p{number}"])
                if dice.random() < 0.2:
                    is_over.wait(dice.random() / 100)
            is_over.wait(dice.choice([0, 0.001, 0.005, 0.02]))

    writers = [threading.Thread(target=write_at_random, args=[number]) for number in range(len(connections))]
    steps = Steps()
    with stepping(installed, SLEEPY, steps) as wakeup, delivering(installed, wakeup) as (sink, delivery):
        for thread in writers:
            thread.start()
        eventually(lambda: len(sink.sequences) > 400, within_seconds=30)
        is_over.set()
        for thread in writers:
            thread.join()
        row = connections[0].execute("SELECT count(*) FROM rtp.event").fetchone()
        assert row is not None
        eventually(lambda: len(sink.sequences) == row[0], within_seconds=LATE_SECONDS)
    assert (delivery.metrics.delivery.latencies().max < LATE_SECONDS, steps.passed.count("before listening") > 20) == (
        True,
        True,
    )
