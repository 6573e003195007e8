"""kill -9 of `rtp run` between every two steps of an event's way to SQS, and to Redis.

What comes next is held up there, by a lock or on the network, and the process is killed. Where a step is done and rtp
is not to know yet, the process is stopped first.
"""

from __future__ import annotations

import json
import signal
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, LiteralString

import pytest
import redis

from core.settings.models import postgres_dsn
from core.sinks.scripts import DELIVER
from rtp_client.keys import STREAM
from tests.eventually import eventually
from tests.faulty_sqs import FaultySqs, faulty_sqs
from tests.queue_drain import drain_events
from tests.redis_relay import RedisRelay, redis_relay
from tests.rtp_process import RtpProcess, rtp
from tests.waiting import read_waiting

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from mypy_boto3_sqs import SQSClient

    from core.settings.models import Settings
    from tests.conftest import SqsQueue

pytestmark = pytest.mark.timeout(90)

# A busy entity, and ten others with an event each.
BACKLOG = """
    INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)
    SELECT 1, 'ethereum', CASE WHEN n % 2 = 0 THEN 'busy' ELSE 'p' || n END, n, 'deviation', 1, now()
    FROM generate_series(1, 20) AS n
"""
BUSY = "ethereum:busy"
OF_BUSY = [*range(2, 21, 2)]
OF_OTHERS = {f"ethereum:p{n}": [n] for n in range(1, 21, 2)}
# Chunks and batches are small: some events are settled while others are under way.
SETTINGS = """
watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, chain: chain, value: tvl_usd}}}
run: {retry_initial_seconds: 0.01, retry_max_seconds: 0.02}
sqs: {batch_size: 4}
redis: {batch_size: 4}
"""

CURSORS = "SELECT FROM rtp.cursor FOR UPDATE"
LETTERS = "LOCK TABLE rtp.dead_letter IN EXCLUSIVE MODE"
WAITING = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND application_name = %s"
# A server learns that a client was killed when it has something to tell it; what waits for a lock has not.
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name NOT IN ('rtp test', '')"
)


@dataclass
class Way(ABC):
    """The way of the backlog through a process of rtp, and how to hold that up."""

    sink: str
    environ: dict[str, str]
    config: str
    looks: psycopg.Connection
    locks: psycopg.Connection
    process: RtpProcess = field(init=False)

    @abstractmethod
    def while_it_delivers(self, do: Callable[[], object]) -> None:
        """Do something at each batch that its service takes, before rtp knows."""

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        with rtp("run", "-c", self.config, *arguments, environ=self.environ) as self.process:
            yield

    def be_killed(self) -> None:
        """Run until what holds it up kills it."""
        with self.running():
            assert self.process.end() == -signal.SIGKILL, self.process.err

    def be_killed_once(self, is_held_up: Callable[[], object]) -> None:
        with self.running():
            self.wait_until(is_held_up)
            self.kill()

    def wait_until(self, is_held_up: Callable[[], object]) -> None:
        eventually(lambda: is_held_up() or self.process.process.poll() is not None)
        assert self.process.process.poll() is None, self.process.err

    def kill(self) -> None:
        self.process.end(signal.SIGKILL)

    def stop(self) -> None:
        self.process.send(signal.SIGSTOP)

    def lock(self, what: str) -> None:
        self.locks.execute(what)

    def has_to_wait(self, part: str) -> bool:
        """Whether a session of this part of rtp waits for a lock."""
        return self.looks.execute(WAITING, [f"rtp {part}"]).fetchone() is not None

    def end_sessions(self) -> None:
        self.looks.execute(END_SESSIONS)
        self.locks.rollback()

    def passed(self) -> set[int]:
        """The events that the saved cursor has passed."""
        waiting = read_waiting(self.looks, self.sink)
        return self._numbers("SELECT current FROM rtp.event WHERE id <> ALL (%s)", [*waiting])

    def dead(self) -> set[int]:
        return self._numbers("SELECT event #>> '{data,current}' FROM rtp.dead_letter WHERE sink = %s", self.sink)

    def _numbers(self, query: LiteralString, parameter: object) -> set[int]:
        return {int(row[0]) for row in self.looks.execute(query, [parameter])}

    def go_to_the_end(self) -> None:
        with self.running("--until-idle"):
            assert self.process.end() == 0, self.process.err


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "rtp.yaml"
    path.write_text(SETTINGS, encoding="utf-8")
    return str(path)


@pytest.fixture
def locks(writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]) -> psycopg.Connection:
    """A session that keeps what it locks."""
    writer.execute(BACKLOG)
    locks = connect_again()
    locks.autocommit = False
    return locks


# Steps on each way.


def it_is_settled(way: Way) -> None:
    """The cursor is not saved yet."""
    way.while_it_delivers(lambda: way.lock(CURSORS))
    way.be_killed_once(lambda: way.has_to_wait(way.sink))


def the_cursor_is_saved(way: Way) -> None:
    """Rtp does not know yet."""
    way.while_it_delivers(lambda: way.lock(CURSORS))
    with way.running():
        way.wait_until(lambda: way.has_to_wait(way.sink))
        way.stop()
        way.locks.rollback()
        eventually(way.passed)
        way.kill()


# To SQS.


@dataclass
class WayToSqs(Way):
    gateway: FaultySqs = field(kw_only=True)

    def while_it_delivers(self, do: Callable[[], object]) -> None:
        self.gateway.on_accepted = do

    def kill_and_hang_up(self) -> None:
        self.kill()
        raise ConnectionAbortedError

    def refuse_the_busy(self, code: str) -> None:
        self.gateway.refused_groups[BUSY] = code

    def kill_and_hang_up_at_the_second_try(self) -> None:
        groups = [entry["MessageGroupId"] for batch in self.gateway.batches for entry in batch]
        if groups.count(BUSY) == 2:
            self.kill_and_hang_up()


@pytest.fixture
def way_to_sqs(
    installed: Settings, sqs_queue: SqsQueue, config: str, writer: psycopg.Connection, locks: psycopg.Connection
) -> Iterator[WayToSqs]:
    with faulty_sqs(sqs_queue.endpoint_url) as gateway:
        environ = {
            "RTP_POSTGRES_DSN": postgres_dsn(installed),
            "RTP_SQS_ENDPOINT_URL": gateway.url,
            "RTP_SQS_QUEUE": sqs_queue.name,
        }
        yield WayToSqs("sqs", environ, config, writer, locks, gateway=gateway)


def requests_are_under_way(way: WayToSqs) -> None:
    """Others of the busy entity wait for their turn."""
    way.gateway.on_batch = way.kill_and_hang_up
    way.be_killed()


def some_are_answered_and_others_under_way(way: WayToSqs) -> None:
    way.gateway.batches_before_hanging_up, way.gateway.on_hanging_up = 5, way.kill
    way.be_killed()


def the_queue_has_accepted(way: WayToSqs) -> None:
    way.gateway.on_accepted = way.kill
    way.be_killed()


def the_answer_has_arrived(way: WayToSqs) -> None:
    way.gateway.on_accepted, way.gateway.on_answered = way.stop, way.kill
    way.be_killed()


def one_is_tried_again(way: WayToSqs) -> None:
    way.refuse_the_busy("ThrottlingException")
    way.gateway.on_batch = way.kill_and_hang_up_at_the_second_try
    way.be_killed()
    way.gateway.refused_groups.clear()


def one_is_refused_for_good(way: WayToSqs) -> None:
    """Its letter is not written yet."""
    way.refuse_the_busy("InvalidMessageContents")
    way.lock(LETTERS)
    way.be_killed_once(lambda: way.has_to_wait("sqs"))


def the_letter_is_written(way: WayToSqs) -> None:
    """The dead letter queue does not have it yet."""
    way.refuse_the_busy("InvalidMessageContents")
    way.gateway.on_single_message = way.kill_and_hang_up
    way.be_killed()


def the_dead_letter_queue_has_the_letter(way: WayToSqs) -> None:
    """That is not noted yet."""
    way.refuse_the_busy("InvalidMessageContents")
    way.gateway.on_single_message = lambda: way.lock(LETTERS)
    way.be_killed_once(lambda: way.has_to_wait("dlq_copier"))


SQS_STEPS = (
    requests_are_under_way,
    some_are_answered_and_others_under_way,
    the_queue_has_accepted,
    the_answer_has_arrived,
    it_is_settled,
    the_cursor_is_saved,
    one_is_tried_again,
    one_is_refused_for_good,
    the_letter_is_written,
    the_dead_letter_queue_has_the_letter,
)


class Taken:
    """What consumers have taken, the number of each event by its group."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url
        self.numbers: dict[str, list[int]] = defaultdict(list)

    def take(self) -> set[int]:
        for event in drain_events(self._client, self._url):
            self.numbers[event["partitionkey"]].append(int(event["data"]["current"]))
        return {number for numbers in self.numbers.values() for number in numbers}


def name_of(step: Callable[..., None]) -> str:
    return step.__name__


@pytest.mark.parametrize("step", SQS_STEPS, ids=name_of)
def test_killed_on_the_way_to_sqs_it_loses_repeats_and_swaps_nothing(
    way_to_sqs: WayToSqs, sqs_client: SQSClient, sqs_queue: SqsQueue, step: Callable[[WayToSqs], None]
) -> None:
    way = way_to_sqs
    alerts, letters = Taken(sqs_client, sqs_queue.url), Taken(sqs_client, sqs_queue.dlq_url)
    step(way)
    way.end_sessions()
    passed_too_early = way.passed() - way.dead() - alerts.take()
    letters.take()
    way.gateway.let_all_pass()
    way.go_to_the_end()
    alerts.take()
    letters.take()
    refused = {BUSY: OF_BUSY} if way.gateway.refused_groups else {}
    expected = OF_OTHERS if refused else OF_OTHERS | {BUSY: OF_BUSY}
    assert (passed_too_early, alerts.numbers, letters.numbers) == (set(), expected, refused)


# To Redis.


@dataclass
class WayToRedis(Way):
    relay: RedisRelay = field(kw_only=True)
    client: redis.Redis = field(kw_only=True)

    def in_stream(self) -> list[int]:
        entries: Any = self.client.xrange(STREAM)
        return [int(json.loads(fields["event"])["data"]["current"]) for _, fields in entries]

    def while_it_delivers(self, do: Callable[[], object]) -> None:
        self.relay.on_batch = lambda: do() is None

    def be_killed_at_batch(self, last: int, *, passing: int) -> None:
        """When it sends that one. Redis has taken so many by then, and takes no more."""

        def at_batch() -> bool:
            if self.relay.batches == last:
                eventually(lambda: len(self.in_stream()) == 4 * passing)
                self.kill()
            return self.relay.batches <= passing

        self.relay.on_batch = at_batch
        self.be_killed()

    def cached(self) -> dict[str, int]:
        keys: Any = self.client.keys("rtp:cache:tvl:*")
        documents: Any = [self.client.hget(key, "event") for key in keys]
        return {event["partitionkey"]: int(event["data"]["current"]) for event in map(json.loads, documents)}


@pytest.fixture
def way_to_redis(
    settings: Settings, config: str, writer: psycopg.Connection, locks: psycopg.Connection
) -> Iterator[WayToRedis]:
    url = str(settings.redis.url)
    with redis.Redis.from_url(url, decode_responses=True) as client, redis_relay(url) as relay:
        client.script_load(DELIVER)
        environ = {"RTP_POSTGRES_DSN": postgres_dsn(settings), "RTP_REDIS_URL": relay.url}
        yield WayToRedis("redis", environ, config, writer, locks, relay=relay, client=client)


def two_batches_are_sent(way: WayToRedis) -> None:
    """Redis has none of them."""
    way.be_killed_at_batch(2, passing=0)


def redis_has_taken_the_first_of_two(way: WayToRedis) -> None:
    """Its answer is not read."""
    way.relay.keeps_answers = True
    way.be_killed_at_batch(2, passing=1)


def redis_has_taken_both(way: WayToRedis) -> None:
    """No answer is read."""
    way.relay.keeps_answers = True
    way.be_killed_once(lambda: len(way.in_stream()) == 8)


def the_first_answer_is_read(way: WayToRedis) -> None:
    """Else a third batch would not be sent."""
    way.be_killed_at_batch(3, passing=2)


REDIS_STEPS = (
    two_batches_are_sent,
    redis_has_taken_the_first_of_two,
    redis_has_taken_both,
    the_first_answer_is_read,
    it_is_settled,
    the_cursor_is_saved,
)


@pytest.mark.parametrize("step", REDIS_STEPS, ids=name_of)
def test_killed_on_the_way_to_redis_it_loses_and_swaps_nothing(
    way_to_redis: WayToRedis, step: Callable[[WayToRedis], None]
) -> None:
    way = way_to_redis
    step(way)
    way.end_sessions()
    passed_too_early = way.passed().difference(way.in_stream())
    way.relay.let_all_pass()
    way.go_to_the_end()
    in_order = dict.fromkeys(way.in_stream())  # a repetition changes nothing
    assert (passed_too_early, [number for number in in_order if number in OF_BUSY], sorted(in_order), way.cached()) == (
        set(),
        OF_BUSY,
        [*range(1, 21)],
        {BUSY: 20} | {group: number for group, (number,) in OF_OTHERS.items()},
    )
