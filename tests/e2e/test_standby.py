"""The leader of two `rtp run` ends or stands still: the other takes over; what the first had in hand goes nowhere."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from tests.eventually import eventually
from tests.queue_drain import drain_events
from tests.rtp_process import RtpProcess
from tests.standbys import PATIENT_SECONDS, in_log, in_stream, role, run, two_running, wait_until, write
from tests.waiting import count_waiting

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue

pytestmark = pytest.mark.timeout(120)

ENTITIES = 20
LEASE_SECONDS = 2


@pytest.fixture
def config(prompt_config: str) -> str:
    """Prompt, and with a short lease."""
    file = Path(prompt_config)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("leader_lease_seconds: 5", f"leader_lease_seconds: {LEASE_SECONDS}"), encoding="utf-8")
    return prompt_config


@pytest.fixture
def pair(settings: Settings, config: str) -> Iterator[tuple[RtpProcess, RtpProcess]]:
    """A leader and its standby."""
    with two_running(settings, config) as (leader, standby):
        yield leader, standby


class Writing:
    """Writes steps of known values, all entities in turn, until told to stop."""

    def __init__(self, settings: Settings) -> None:
        self.steps = 0
        self._dsn = postgres_dsn(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with closing(connect(self._dsn, role="test")) as connection:
            while not self._stopping.is_set():
                self.steps += 1
                write(connection, self.steps, self.steps % ENTITIES)
                time.sleep(0.003)  # a pace, not a wait

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def in_queue(client: SQSClient, url: str) -> list[tuple[str, int]]:
    return [(event["data"]["entity"], int(event["sequence"])) for event in drain_events(client, url)]


def by_entity(events: list[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for entity, sequence in events:
        found.setdefault(entity, []).append(sequence)
    return found


def firsts(events: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Without what came again."""
    return list(dict.fromkeys(events))


def check_everything_arrived_in_order(
    settings: Settings, writer: psycopg.Connection, client: SQSClient, url: str
) -> None:
    logged = in_log(writer)
    eventually(lambda: set(in_stream(settings)) == set(logged), within_seconds=PATIENT_SECONDS)
    queued: list[tuple[str, int]] = []

    def all_queued() -> bool:
        queued.extend(in_queue(client, url))
        return set(queued) == set(logged)

    eventually(all_queued, within_seconds=PATIENT_SECONDS)
    assert by_entity(firsts(in_stream(settings))) == by_entity(logged)
    assert by_entity(queued) == by_entity(logged), "SQS deduplicates"


def new_event_arrives(settings: Settings, writer: psycopg.Connection) -> float:
    """Write until something written from now on is in the stream; how long that took."""
    started, known = time.monotonic(), in_log(writer)[-1:]
    value = 0

    def arrived() -> bool:
        nonlocal value
        value += 1
        write(writer, value)
        return in_stream(settings)[-1:] > known and in_stream(settings)[-1][1] > (known[0][1] if known else 0)

    eventually(arrived, within_seconds=PATIENT_SECONDS)
    return time.monotonic() - started


def test_a_killed_leader_is_followed_within_2_s(
    pair: tuple[RtpProcess, RtpProcess],
    settings: Settings,
    writer: psycopg.Connection,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
) -> None:
    leader, standby = pair
    with Writing(settings) as writing:
        eventually(lambda: writing.steps > 200, within_seconds=PATIENT_SECONDS)
        leader.end(signal.SIGKILL)
        seconds = new_event_arrives(settings, writer)
    print(f"kill -9 to the first event of the new leader: {seconds:.2f} s")  # noqa: T201
    wait_until(standby, "leader")
    check_everything_arrived_in_order(settings, writer, sqs_client, sqs_queue.url)
    assert seconds < 2 * 3  # the aim is 2; the machine may be busy


def test_a_leader_whose_connection_is_cut_is_followed(
    pair: tuple[RtpProcess, RtpProcess],
    settings: Settings,
    writer: psycopg.Connection,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
) -> None:
    with Writing(settings) as writing:
        eventually(lambda: writing.steps > 200, within_seconds=PATIENT_SECONDS)
        writer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'rtp leader'"
        )
        seconds = new_event_arrives(settings, writer)
        print(f"cut to the first event of the new leader: {seconds:.2f} s")  # noqa: T201
        eventually(lambda: sorted(map(role, pair)) == ["leader", "standby"], within_seconds=PATIENT_SECONDS)
    check_everything_arrived_in_order(settings, writer, sqs_client, sqs_queue.url)
    assert seconds < 2 * 3


def test_a_leader_that_ends_well_hands_over(
    pair: tuple[RtpProcess, RtpProcess], settings: Settings, writer: psycopg.Connection
) -> None:
    leader, standby = pair
    assert leader.end(signal.SIGTERM) == 0
    wait_until(standby, "leader")
    assert "leading now, after" in standby.err


@pytest.mark.parametrize("writes_while_it_stands_still", [0, 60])
def test_a_leader_that_stood_still_delivers_nothing_stale(
    pair: tuple[RtpProcess, RtpProcess],
    settings: Settings,
    writer: psycopg.Connection,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
    writes_while_it_stands_still: int,
) -> None:
    leader, standby = pair
    with Writing(settings) as writing:
        eventually(lambda: writing.steps > 200, within_seconds=PATIENT_SECONDS)
        leader.send(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(standby, "leader")
    print(f"SIGSTOP to the new leader, with a lease of {LEASE_SECONDS} s: {time.monotonic() - stopped:.2f} s")  # noqa: T201
    for value in range(writes_while_it_stands_still):
        write(writer, value, value % ENTITIES)
    eventually(lambda: set(in_stream(settings)) == set(in_log(writer)), within_seconds=PATIENT_SECONDS)
    # Until the new leader repeats nothing more.
    eventually(lambda: count_waiting(writer, "redis") == 0, within_seconds=PATIENT_SECONDS)
    before = in_stream(settings)
    leader.send(signal.SIGCONT)
    wait_until(leader, "standby")
    assert in_stream(settings) == before
    check_everything_arrived_in_order(settings, writer, sqs_client, sqs_queue.url)


def test_a_leader_whose_redis_knows_a_later_term_goes_on_above_it(
    settings: Settings, config: str, writer: psycopg.Connection
) -> None:
    with redis.Redis.from_url(str(settings.redis.url)) as client:
        client.set("rtp:leader", "1000")  # as when the database was restored from an older copy
    with run(settings, config) as process:
        write(writer, 1)
        write(writer, 2)
        eventually(lambda: in_stream(settings), within_seconds=PATIENT_SECONDS)
        eventually(lambda: process.documents[-1]["epoch"] > 1000, within_seconds=PATIENT_SECONDS)
