"""A trigger waits for nobody: writers that touch the same entities in opposite orders go on, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest

from core.detection.detector import Detector
from core.detection.state import Sample
from core.settings.models import Settings, TriggerSettings
from tests.judging import judge_waiting
from tests.watching import install, settings_of
from triggers.installer import apply, plan_installation

Connect = Callable[[], psycopg.Connection]

SAMPLES: dict[str, Any] = {
    "kind": "price",
    "table": "samples",
    "shape": "history",
    "percent": 1,
    "columns": {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"},
}
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
# A trigger that waits shows within this; it is also what ends a test whose writers wait for each other.
SOON = "SET lock_timeout TO '2s'; SET deadlock_timeout TO '200ms'"


@pytest.fixture
def history(writer: psycopg.Connection) -> psycopg.Connection:
    """A table of history in which two tokens have been seen."""
    writer.execute("CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz)")
    install(writer, samples=SAMPLES)
    append(writer, "usdc", 100, 0)
    append(writer, "dai", 100, 0)
    judge_waiting(writer)
    return writer


@pytest.fixture
def two(connect_again: Connect, history: psycopg.Connection) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    """Two writers, each in a transaction of its own."""
    writers = connect_again(), connect_again()
    for writer in writers:
        writer.execute(SOON)
        writer.execute("BEGIN")
    yield writers
    for writer in writers:
        writer.execute("ROLLBACK")


def append(connection: psycopg.Connection, token: str, price: float, minute: int) -> None:
    connection.execute(
        "INSERT INTO samples VALUES ('ethereum', %s, %s, %s)", [token, price, NOON + timedelta(minutes=minute)]
    )


def steps(connection: psycopg.Connection, token: str) -> list[tuple[int, int]]:
    """What was reported of a token, from which price to which."""
    rows = connection.execute("SELECT previous, current FROM rtp.event WHERE entity = %s ORDER BY id", [token])
    return [(int(previous), int(current)) for previous, current in rows]


def cross(one: psycopg.Connection, other: psycopg.Connection) -> None:
    """Each appends to the entity that the other has already appended to."""
    append(one, "usdc", 110, 1)
    append(other, "dai", 110, 1)
    append(one, "dai", 120, 2)
    append(other, "usdc", 120, 2)


def test_writers_in_opposite_orders_do_not_wait(two: tuple[psycopg.Connection, psycopg.Connection]) -> None:
    cross(*two)
    assert [writer.info.transaction_status.name for writer in two] == ["INTRANS", "INTRANS"]


def test_writers_in_opposite_orders_lose_no_event_and_no_order(
    two: tuple[psycopg.Connection, psycopg.Connection], history: psycopg.Connection
) -> None:
    cross(*two)
    for writer in two:
        writer.execute("COMMIT")
    judge_waiting(history)
    assert [steps(history, token) for token in ("usdc", "dai")] == [[(100, 110), (110, 120)]] * 2


def test_the_test_can_fail_plain_locks_do_wait(
    two: tuple[psycopg.Connection, psycopg.Connection], history: psycopg.Connection
) -> None:
    with_plain_locks(history)
    one, other = two
    append(one, "usdc", 110, 1)
    append(other, "dai", 110, 1)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        append(one, "dai", 120, 2)


def with_plain_locks(connection: psycopg.Connection) -> None:
    """What another trigger would do: lock the entity's baseline, however long that takes."""
    connection.execute(
        "CREATE FUNCTION with_lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM FROM rtp.baseline AS b WHERE b.entity = NEW.token FOR UPDATE; RETURN NULL; END $$;"
        "CREATE TRIGGER with_lock AFTER INSERT ON samples FOR EACH ROW EXECUTE FUNCTION with_lock()"
    )


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_writers_of_one_entity_both_commit_at_every_isolation_level(
    connect_again: Connect, history: psycopg.Connection, isolation: str
) -> None:
    writers = connect_again(), connect_again()
    for minute, writer in enumerate(writers, 1):
        writer.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
        append(writer, "usdc", 100 + 10 * minute, minute)
    for writer in writers:
        writer.execute("COMMIT")
    judge_waiting(history)
    assert steps(history, "usdc") == [(100, 110), (110, 120)]


def test_a_transaction_of_many_samples_takes_no_transaction_id_but_its_own(
    connect_again: Connect, history: psycopg.Connection
) -> None:
    unmeasured = settings_of(samples=SAMPLES).model_copy(update={"triggers": TriggerSettings(statistics="off")})
    apply(history, plan_installation(history, unmeasured))
    with connect_again() as one, one.transaction():
        for minute in range(1, 4):
            append(one, "usdc", 100 * minute, minute)
        one.execute("INSERT INTO samples SELECT 'ethereum', 'dai', n, now() FROM generate_series(1, 1000) AS n")
        begun = one.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        ended = history.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert begun is not None
    assert ended == (begun[0] + 1,)


def test_a_long_transaction_does_not_hold_up_another_writer_of_its_entity(
    two: tuple[psycopg.Connection, psycopg.Connection], history: psycopg.Connection
) -> None:
    one, other = two
    append(one, "usdc", 110, 1)
    append(other, "usdc", 120, 2)
    other.execute("COMMIT")
    assert history.execute("SELECT count(*) FROM samples WHERE price = 120").fetchone() == (1,)


def test_a_decision_never_rests_on_a_baseline_that_is_about_to_move(
    two: tuple[psycopg.Connection, psycopg.Connection], history: psycopg.Connection
) -> None:
    one, other = two
    append(one, "usdc", 102, 1)
    append(other, "usdc", 100, 2)  # no step from 100, which is all that this transaction can see; a step from 102
    other.execute("COMMIT")
    one.execute("COMMIT")
    judge_waiting(history)
    assert steps(history, "usdc") == [(100, 102), (102, 100)]


def test_judging_waits_for_no_writer(
    two: tuple[psycopg.Connection, psycopg.Connection], history: psycopg.Connection
) -> None:
    one, other = two
    append(one, "usdc", 110, 1)
    append(other, "usdc", 120, 2)
    append(other, "dai", 120, 2)
    other.execute("COMMIT")
    history.execute(SOON)
    judge_waiting(history)
    assert (steps(history, "usdc"), steps(history, "dai")) == ([(100, 120)], [(100, 120)])


def test_a_first_sighting_by_two_at_once_keeps_nobody_waiting(
    two: tuple[psycopg.Connection, psycopg.Connection], history: psycopg.Connection
) -> None:
    one, other = two
    append(one, "weth", 100, 1)
    append(other, "weth", 110, 2)
    for writer in (other, one):
        writer.execute("COMMIT")
    judge_waiting(history)
    assert steps(history, "weth") == [(100, 110)]


def test_writers_of_different_rows_of_a_table_updated_in_place_do_not_wait(
    connect_again: Connect, writer: psycopg.Connection
) -> None:
    writer.execute("INSERT INTO tvl SELECT 'ethereum', 'p' || n, 100, 'llama' FROM generate_series(1, 4) AS n")
    one, other = connect_again(), connect_again()
    for connection, protocols in ((one, ("p1", "p3")), (other, ("p2", "p4"))):
        connection.execute(SOON)
        connection.execute("BEGIN")
        for protocol in protocols:
            connection.execute("UPDATE tvl SET tvl_usd = 200 WHERE protocol = %s", [protocol])
    for connection in (other, one):
        connection.execute("COMMIT")
    assert writer.execute("SELECT count(*) FROM rtp.event").fetchone() == (4,)


class Appender(threading.Thread):
    """A writer with transactions of its own, long ones among them, some rolled back."""

    def __init__(self, connection: psycopg.Connection, seed: int, minutes: Iterator[int]) -> None:
        super().__init__()
        self.error: psycopg.Error | None = None
        self._connection = connection
        self._random = Random(seed)
        self._minutes = minutes

    def run(self) -> None:
        self._connection.execute(SOON)
        try:
            for _ in range(25):
                with self._connection.transaction(force_rollback=self._random.random() < 0.2):
                    for _ in range(self._random.choice((1, 1, 2, 8))):
                        price = self._random.choice((95, 100, 100, 105, 200))
                        token = self._random.choice(("usdc", "dai", "weth"))
                        append(self._connection, token, price, next(self._minutes))
                        if self._random.random() < 0.2:
                            self._connection.execute("SELECT pg_sleep(0.002)")
        except psycopg.Error as error:
            self.error = error


class Minutes:
    """Every sample gets a minute of its own, whoever writes it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __iter__(self) -> Minutes:
        return self

    def __next__(self) -> int:
        with self._lock:
            self._last += 1
            return self._last


@pytest.fixture
def crowd(history: psycopg.Connection, connect_again: Connect) -> list[Appender]:
    """Six writers that have come to their end, with somebody judging beside them."""
    minutes = Minutes()
    writers = [Appender(connect_again(), seed, minutes) for seed in range(6)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        judge_waiting(history)
    for writer in writers:
        writer.join()
    judge_waiting(history)
    return writers


def test_no_writer_of_a_crowd_fails(crowd: list[Appender]) -> None:
    assert [writer.error for writer in crowd] == [None] * 6


def test_every_sample_of_a_crowd_is_in_the_log_once(crowd: list[Appender], history: psycopg.Connection) -> None:
    written = history.execute("SELECT token, price, at FROM samples ORDER BY at, token").fetchall()
    appended = history.execute(
        "SELECT entity, value, sampled_at FROM rtp.sample ORDER BY sampled_at, entity"
    ).fetchall()
    assert appended == written


def test_each_entity_of_a_crowd_goes_on_from_where_it_was(crowd: list[Appender], history: psycopg.Connection) -> None:
    for token in ("usdc", "dai", "weth"):
        found = steps(history, token)
        assert [previous for previous, _ in found[1:]] == [current for _, current in found[:-1]]


def test_a_crowd_that_is_judged_at_the_end_is_judged_like_one_writer(
    history: psycopg.Connection, connect_again: Connect, installed: Settings
) -> None:
    watch: Any = settings_of(samples=SAMPLES).watches["samples"]
    minutes = Minutes()
    writers = [Appender(connect_again(), seed, minutes) for seed in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    judge_waiting(history)
    detector = Detector(watch)
    expected: dict[str, list[tuple[int, int]]] = {"usdc": [], "dai": [], "weth": []}
    for token, price, at in history.execute("SELECT token, price, at FROM samples ORDER BY at").fetchall():
        report = detector.judge(("ethereum", token), Sample(price, at)).report
        if report is not None and report.previous is not None and report.current is not None:
            expected[token].append((int(report.previous), int(report.current)))
    assert {token: steps(history, token) for token in expected} == expected
