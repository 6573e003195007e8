"""Two `rtp run` on one database: one leads, the other takes over; what the first still had in hand goes nowhere."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

from core.database import connect
from core.keys import STREAM
from core.settings.models import Settings, postgres_dsn
from tests.eventually import eventually
from tests.rtp_process import RtpProcess, environ_of, rtp

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue

pytestmark = pytest.mark.timeout(120)

PATIENT_SECONDS = 40
"""What a loaded machine may need for anything."""
ENTITIES = 20
LEASE_SECONDS = 2


@pytest.fixture
def config(prompt_config: str) -> str:
    """Prompt, and with a short lease."""
    with open(prompt_config, encoding="utf-8") as file:  # noqa: PTH123
        text = file.read().replace("leader_lease_seconds: 5", f"leader_lease_seconds: {LEASE_SECONDS}")
    with open(prompt_config, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    return prompt_config


@contextmanager
def run(settings: Settings, config: str, *arguments: str) -> Iterator[RtpProcess]:
    with rtp("run", "-c", config, "--json", *arguments, environ=environ_of(settings)) as process:
        yield process


def role(process: RtpProcess) -> str:
    documents = process.documents
    return str(documents[-1]["role"]) if documents else ""


def wait_until(process: RtpProcess, wanted: str) -> None:
    eventually(lambda: role(process) == wanted, within_seconds=PATIENT_SECONDS)


@pytest.fixture
def pair(settings: Settings, config: str) -> Iterator[tuple[RtpProcess, RtpProcess]]:
    """A leader and its standby."""
    with run(settings, config) as leader:
        wait_until(leader, "leader")
        with run(settings, config) as standby:
            wait_until(standby, "standby")
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


def write(connection: psycopg.Connection, value: int, entity: int = 0) -> None:
    connection.execute(
        "INSERT INTO tvl VALUES ('ethereum', %s, %s, 'llama')"
        " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
        [f"p{entity}", 2 ** (value % 50)],
    )


def in_log(connection: psycopg.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT entity, id FROM rtp.event ORDER BY id").fetchall()


def in_stream(settings: Settings) -> list[tuple[str, int]]:
    with redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client:
        entries: Any = client.xrange(STREAM)
    return [(json.loads(e["event"])["data"]["entity"], int(e["sequence"])) for _, e in entries]


def in_queue(client: SQSClient, url: str) -> list[tuple[str, int]]:
    events = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            event = json.loads(message["Body"])
            events.append((event["data"]["entity"], int(event["sequence"])))
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return events


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


# Standing by


def test_the_second_stands_by_and_says_who_leads(pair: tuple[RtpProcess, RtpProcess]) -> None:
    leader, standby = pair
    assert f"(pid {leader.process.pid}) leads, and this one takes over when it ends" in standby.err


def test_a_standby_delivers_nothing(
    pair: tuple[RtpProcess, RtpProcess], settings: Settings, writer: psycopg.Connection
) -> None:
    for value in range(1, 20):
        write(writer, value)
    eventually(lambda: set(in_stream(settings)) == set(in_log(writer)), within_seconds=PATIENT_SECONDS)
    assert {sink["delivered"] for document in pair[1].documents for sink in document["sinks"]} == {0}


def test_the_status_shows_who_leads_and_who_stands_by(
    pair: tuple[RtpProcess, RtpProcess], settings: Settings, config: str
) -> None:
    leader, standby = pair
    with rtp("status", "-c", config, "--json", environ=environ_of(settings)) as process:
        assert process.end() == 0
        (document,) = process.documents
    leading = document["leader"]
    assert (leading["pid"], leading["is_leading"]) == (leader.process.pid, True)
    assert [one.partition("@")[0] for one in leading["standbys"]] == [str(standby.process.pid)]


def test_a_standby_does_not_keep_the_leader_awake(
    pair: tuple[RtpProcess, RtpProcess], settings: Settings, writer: psycopg.Connection
) -> None:
    leader, _ = pair
    eventually(lambda: leader.documents[-1]["is_asleep"], within_seconds=PATIENT_SECONDS)
    write(writer, 1)
    write(writer, 2)
    # Far below the fallback poll: the sleeper was woken.
    eventually(lambda: in_stream(settings), within_seconds=4)


def test_a_standby_ends_when_its_time_is_over(
    pair: tuple[RtpProcess, RtpProcess], settings: Settings, config: str
) -> None:
    with run(settings, config, "--for", "1s") as third:
        assert third.end() == 0


# Taking over


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


def test_a_cursor_is_not_reset_while_a_standby_could_take_over(
    pair: tuple[RtpProcess, RtpProcess], settings: Settings, config: str
) -> None:
    arguments = ("reset-cursor", "--sink", "redis", "--to", "latest", "-c", config)
    with rtp(*arguments, environ=environ_of(settings)) as process:
        assert (process.end(), "rtp run is active" in process.err) == (2, True)
