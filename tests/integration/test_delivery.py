"""The whole way, in one process: a writer's transaction, the log, the loops, Redis and SQS; and every outage."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
from psycopg import sql

from core.errors import NotInstalled, SettingsError
from core.leading.epoch import UNFENCED, Epoch, Epochs
from core.log.reader import LogReader
from core.processor.build import build_pipeline, postgres_server
from core.processor.delivery import Delivery
from core.processor.pipeline import Pipeline
from core.processor.precedence import Precedence
from core.processor.status import StatusReporter
from core.processor.wakeup import WakeUp
from core.services.postgres import DatabaseServer, connect
from core.settings.models import CircuitBreakerSettings, Settings, postgres_dsn
from core.sinks import Outcome, Rejection, Sink
from core.sinks.registry import build_sinks
from rtp_client.keys import STREAM, cache_key, channel
from tests.eventually import eventually
from tests.faulty_sqs import FaultySqs, faulty_sqs
from tests.queue_drain import drain_events
from tests.recoveries import quiet_recovery
from tests.tvl_table import write
from tests.waiting import count_waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

    from core.log.cursor import Cursor
    from core.log.dead_event import DeadEvent
    from core.log.reader import Chunk
    from core.log.rows import LogRow
    from core.stack import EmbeddedStack
    from rtp_client.event import Event
    from tests.conftest import SqsQueue

Start = Callable[..., Pipeline]
Connect = Callable[[], psycopg.Connection]

PROMPT = {
    "retry_initial_seconds": 0.01,
    "retry_max_seconds": 0.02,
    "circuit_breaker": CircuitBreakerSettings(failures=5, open_seconds=0.05),
}


@pytest.fixture
def problems() -> list[str]:
    """What the pipelines reported."""
    return []


@pytest.fixture
def start(settings: Settings, problems: list[str]) -> Iterator[Start]:
    """Starts pipelines; those that still run after the test are stopped before its services go."""
    started: list[Pipeline] = []

    def start_one(settings: Settings, **run: Any) -> Pipeline:
        settings = settings.model_copy(
            update={
                "run": settings.run.model_copy(update=PROMPT | run),
                "redis": settings.redis.model_copy(update={"timeout_seconds": 0.2}),
                "sqs": settings.sqs.model_copy(update={"timeout_seconds": 0.2}),
            }
        )
        pipeline = build_pipeline(settings, on_problem=lambda problem: problems.append(str(problem)))
        started.append(pipeline)
        pipeline.start()
        return pipeline

    yield start_one
    for pipeline in started:
        assert pipeline.stop()


@pytest.fixture
def cache(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client:
        yield client


class Queue:
    """Receives what is in the queue, and remembers it."""

    def __init__(self, client: SQSClient, queue: SqsQueue) -> None:
        self._client = client
        self._queue = queue
        self.received: list[dict[str, Any]] = []

    def receive(self) -> list[dict[str, Any]]:
        self.received += drain_events(self._client, self._queue.url)
        return self.received

    def values(self) -> list[str]:
        return [event["data"]["current"] for event in self.receive()]


@pytest.fixture
def queue(sqs_client: SQSClient, sqs_queue: SqsQueue) -> Queue:
    return Queue(sqs_client, sqs_queue)


def in_stream(client: redis.Redis) -> list[dict[str, Any]]:
    entries: Any = client.xrange(STREAM)
    return [json.loads(fields["event"]) for _, fields in entries]


def values_in_stream(client: redis.Redis) -> list[str]:
    try:
        return [event["data"]["current"] for event in in_stream(client)]
    except redis.ConnectionError:
        return []


@pytest.fixture
def lido(writer: psycopg.Connection) -> None:
    """An entity that has been seen: its next value is a change."""
    write(writer, 1)


# The way of an event


def test_an_event_reaches_the_cache(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    start(settings)
    write(writer, 2)
    found: Any = eventually(lambda: cache.hget(cache_key("tvl", "ethereum", "lido"), "event"))
    assert json.loads(found)["data"]["current"] == "2"


def test_an_event_reaches_its_channel(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    start(settings)
    with cache.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe(channel("tvl", "ethereum", "lido"))
        subscription.get_message(timeout=5)
        write(writer, 2)
        message = subscription.get_message(timeout=5)
    assert message is not None
    assert json.loads(message["data"])["data"]["current"] == "2"


def test_events_reach_the_stream_in_order(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    start(settings)
    expected = write(writer, *range(2, 30, 2))
    assert eventually(lambda: values_in_stream(cache) == expected)


def test_events_reach_the_queue_in_order(
    start: Start, settings: Settings, writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    start(settings)
    expected = write(writer, *range(2, 30, 2))
    assert eventually(lambda: queue.values() == expected)


def test_an_event_says_which_watch_raised_it(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    start(settings.model_copy(update={"source": "/desk"}))
    write(writer, 2)
    (event,) = eventually(lambda: in_stream(cache))
    assert event["source"] == "/desk/tvl"


def test_what_was_written_before_the_start_is_delivered(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    expected = write(writer, 2, 3, 4)
    start(settings)
    assert eventually(lambda: values_in_stream(cache) == expected)


# Outages


def test_redis_being_gone_does_not_hold_back_sqs(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, queue: Queue, lido: None
) -> None:
    start(settings)
    stack.redis.kill()
    try:
        expected = write(writer, 2, 3, 4)
        assert eventually(lambda: queue.values() == expected)
    finally:
        stack.redis.start()


def test_redis_catches_up_in_order_when_it_returns(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, cache: redis.Redis, lido: None
) -> None:
    start(settings)
    stack.redis.kill()
    try:
        expected = write(writer, *range(2, 60, 2))
    finally:
        stack.redis.start()
    assert eventually(lambda: values_in_stream(cache) == expected)


def test_sqs_being_frozen_does_not_hold_back_redis(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, cache: redis.Redis, lido: None
) -> None:
    start(settings)
    stack.sqs.pause()
    try:
        expected = write(writer, 2, 3, 4)
        assert eventually(lambda: values_in_stream(cache) == expected)
    finally:
        stack.sqs.resume()


def test_sqs_catches_up_in_order_when_it_returns(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, queue: Queue, lido: None
) -> None:
    pipeline = start(settings)
    stack.sqs.pause()
    try:
        expected = write(writer, *range(2, 60, 2))
        eventually(lambda: sink_named(pipeline, "sqs").metrics.retries)
    finally:
        stack.sqs.resume()
    assert eventually(lambda: queue.values() == expected)


def sink_named(pipeline: Pipeline, name: str) -> Delivery:
    return next(delivery for delivery in pipeline.deliveries if delivery.sink.name == name)


def test_a_throttled_group_does_not_hold_back_the_others_of_its_batch(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_queue: SqsQueue, queue: Queue, lido: None
) -> None:
    write(writer, 1, entity="aave")
    with faulty_sqs(sqs_queue.endpoint_url) as faults:
        faults.refused_groups["ethereum:lido"] = "ThrottlingException"
        with writer.transaction():
            write(writer, 2)
            expected = write(writer, 5, entity="aave")
        start(settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"endpoint_url": faults.url})}))
        assert eventually(lambda: queue.values() == expected)
        faults.refused_groups.clear()


def test_a_throttled_group_catches_up_in_order(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_queue: SqsQueue, queue: Queue, lido: None
) -> None:
    with faulty_sqs(sqs_queue.endpoint_url) as faults:
        faults.refused_groups["ethereum:lido"] = "ThrottlingException"
        start(settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"endpoint_url": faults.url})}))
        expected = write(writer, 2, 3, 4)
        eventually(lambda: len(faults.batches) > 2)
        faults.refused_groups.clear()
        assert eventually(lambda: queue.values() == expected)


@pytest.fixture
def behind_gateway(settings: Settings, sqs_queue: SqsQueue) -> Iterator[tuple[Settings, FaultySqs]]:
    """Settings whose SQS is reached through a gateway that can refuse."""
    with faulty_sqs(sqs_queue.endpoint_url) as faults:
        yield settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"endpoint_url": faults.url})}), faults


def test_a_throttled_group_does_not_hold_back_what_is_written_later(
    start: Start, behind_gateway: tuple[Settings, FaultySqs], writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    settings, faults = behind_gateway
    write(writer, 1, entity="aave")
    faults.refused_groups["ethereum:lido"] = "ThrottlingException"
    delivery = sink_named(start(settings), "sqs")
    write(writer, 2)
    eventually(lambda: delivery.metrics.parked)
    expected = write(writer, 5, 6, 7, entity="aave")
    assert eventually(lambda: queue.values() == expected)


def test_what_is_written_to_a_throttled_group_queues_up_behind_it(
    start: Start, behind_gateway: tuple[Settings, FaultySqs], writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    settings, faults = behind_gateway
    faults.refused_groups["ethereum:lido"] = "ThrottlingException"
    delivery = sink_named(start(settings), "sqs")
    expected = []
    for count, value in enumerate((2, 3, 4), start=1):
        expected += write(writer, value)
        eventually(lambda count=count: delivery.metrics.parked == count)  # type: ignore[misc]
    faults.refused_groups.clear()
    assert eventually(lambda: queue.values() == expected)


def test_a_restart_takes_up_what_was_parked(
    start: Start, behind_gateway: tuple[Settings, FaultySqs], writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    settings, faults = behind_gateway
    write(writer, 1, entity="aave")
    faults.refused_groups["ethereum:lido"] = "ThrottlingException"
    pipeline = start(settings)
    write(writer, 2)
    eventually(lambda: sink_named(pipeline, "sqs").metrics.parked)
    write(writer, 5, entity="aave")
    eventually(lambda: queue.values() == ["5"])
    pipeline.stop()
    faults.refused_groups.clear()
    start(settings)
    assert eventually(lambda: "2" in queue.values())


def test_holding_back_is_told_once(
    start: Start,
    behind_gateway: tuple[Settings, FaultySqs],
    writer: psycopg.Connection,
    problems: list[str],
    lido: None,
) -> None:
    settings, faults = behind_gateway
    faults.refused_groups["ethereum:lido"] = "ThrottlingException"
    delivery = sink_named(start(settings), "sqs")
    write(writer, 2)
    eventually(lambda: delivery.metrics.retries > 3)
    told = [problem for problem in problems if problem.startswith("SQS")]
    assert told == ["SQS did not take all events: ThrottlingException: . Trying these again"]


def test_what_the_service_keeps_refusing_becomes_a_dead_letter(
    start: Start, behind_gateway: tuple[Settings, FaultySqs], writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    settings, faults = behind_gateway
    faults.refused_groups["ethereum:lido"] = "SomeNewClientError"
    delivery = sink_named(start(settings, max_attempts=3), "sqs")
    write(writer, 2)
    eventually(lambda: delivery.metrics.dead_letters)
    assert eventually(lambda: writer.execute("SELECT attempts, error FROM rtp.dead_letter").fetchall()) == [
        (3, "SomeNewClientError: ")
    ]


def test_a_poisonous_event_does_not_block_its_batch(
    start: Start, behind_gateway: tuple[Settings, FaultySqs], writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    settings, faults = behind_gateway
    write(writer, 1, entity="aave")
    faults.poisonous = "ethereum:lido"
    with writer.transaction():
        write(writer, 2)
        expected = write(writer, 5, entity="aave")
    start(settings)
    assert eventually(lambda: queue.values() == expected)


def test_a_poisonous_event_does_not_block_its_own_group(
    start: Start, behind_gateway: tuple[Settings, FaultySqs], writer: psycopg.Connection, queue: Queue, lido: None
) -> None:
    settings, faults = behind_gateway
    faults.poisonous = '"current":"2"'
    write(writer, 2)
    expected = write(writer, 3)
    start(settings, max_attempts=2)
    assert eventually(lambda: queue.values() == expected)


def cut_rtps_connections(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'rtp %' AND application_name <> 'rtp test'"
    )


def test_cut_connections_lose_nothing(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    start(settings)
    expected = []
    for value in range(2, 40, 2):
        expected += write(writer, value)
        if value % 10 == 0:
            cut_rtps_connections(writer)
    eventually(lambda: values_in_stream(cache)[-1:] == expected[-1:])
    assert sorted(set(map(int, values_in_stream(cache)))) == list(map(int, expected))


def test_a_restart_of_postgresql_loses_nothing(
    start: Start,
    settings: Settings,
    writer: psycopg.Connection,
    connect_again: Connect,
    stack: EmbeddedStack,
    cache: redis.Redis,
    lido: None,
) -> None:
    start(settings)
    before = write(writer, 2, 3)
    stack.postgres.restart()
    after = write(connect_again(), 4, 5)
    assert eventually(lambda: list(dict.fromkeys(values_in_stream(cache))) == before + after)


def test_a_pipeline_starts_once_its_services_are_there(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, cache: redis.Redis, lido: None
) -> None:
    expected = write(writer, 2)
    stack.redis.stop()
    stack.postgres.stop()
    pipeline = start(settings)
    away = [circuit for circuit in pipeline.circuits if circuit.service in ("PostgreSQL", "Redis")]
    eventually(lambda: all(circuit.status().failures_in_a_row for circuit in away))
    stack.postgres.start()
    stack.redis.start()
    assert eventually(lambda: values_in_stream(cache) == expected)


def test_a_cut_at_the_move_repeats_the_batch_instead_of_losing_it(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    writer.execute(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;"
        "CREATE TRIGGER fail BEFORE UPDATE OF snapshot ON rtp.cursor EXECUTE FUNCTION fail()"
    )
    expected = write(writer, 2)
    start(settings)
    eventually(lambda: len(values_in_stream(cache)) > 1)
    writer.execute("DROP TRIGGER fail ON rtp.cursor")
    expected += write(writer, 3)
    assert eventually(lambda: list(dict.fromkeys(values_in_stream(cache))) == expected)


# Stopping


def test_a_stop_finishes_the_batch(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    first = start(settings)
    expected = write(writer, *range(2, 200, 2))
    first.stop()
    start(settings)
    assert eventually(lambda: values_in_stream(cache)[-1:] == expected[-1:])
    assert values_in_stream(cache) == expected


def test_a_stop_during_an_outage_does_not_wait_for_its_end(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, lido: None
) -> None:
    pipeline = start(settings)
    stack.redis.pause()
    try:
        write(writer, 2)
        eventually(lambda: sink_named(pipeline, "redis").metrics.retries)
        assert pipeline.stop()
    finally:
        stack.redis.resume()


def test_what_was_in_hand_at_a_stop_during_an_outage_is_delivered_after_it(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, queue: Queue, lido: None
) -> None:
    first = start(settings)
    stack.sqs.pause()
    try:
        expected = write(writer, 2)
        eventually(lambda: sink_named(first, "sqs").metrics.retries)
        first.stop()
    finally:
        stack.sqs.resume()
    start(settings)
    assert eventually(lambda: queue.values() == expected)


def test_a_stop_of_a_sleeping_pipeline_is_prompt(start: Start, settings: Settings) -> None:
    pipeline = start(settings, idle_before_sleep_ms=0, fallback_poll_seconds=60)
    eventually(lambda: pipeline.is_asleep)
    assert pipeline.stop()


def test_a_loop_that_does_not_end_in_time_is_told(installed: Settings) -> None:
    is_delivering, may_end = threading.Event(), threading.Event()

    def deliver(_: Sequence[Event]) -> Outcome:
        is_delivering.set()
        may_end.wait(10)
        return Outcome()

    delivery = stub_delivery(installed, deliver)
    delivery.start()
    write_event(installed)
    is_delivering.wait(10)
    delivery.request_stop()
    ended = delivery.join(0.01)
    may_end.set()
    delivery.join()
    assert not ended


# Dead letters


def dead_letters(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT sink, event_id, error FROM rtp.dead_letter ORDER BY 1, 2").fetchall()


def test_an_event_that_sqs_can_never_take_becomes_its_dead_letter(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue, lido: None
) -> None:
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.url, Attributes={"MaximumMessageSize": "1024"})
    writer.execute("UPDATE tvl SET tvl_usd = 2, source = repeat('x', 3000)")
    start(settings)
    ((sink, _, error),) = eventually(lambda: dead_letters(writer))
    assert (sink, "1024 bytes" in error) == ("sqs", True)


def test_a_dead_letter_holds_the_whole_event(
    start: Start,
    settings: Settings,
    writer: psycopg.Connection,
    cache: redis.Redis,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
    lido: None,
) -> None:
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.url, Attributes={"MaximumMessageSize": "1024"})
    writer.execute("UPDATE tvl SET tvl_usd = 2, source = repeat('x', 3000)")
    start(settings)
    eventually(lambda: dead_letters(writer))
    (kept,) = writer.execute("SELECT event FROM rtp.dead_letter").fetchall()
    assert [kept[0]] == eventually(lambda: in_stream(cache))


INSERT_EVENT = (
    "INSERT INTO rtp.event (watch, chain, entity, current, fields, reason, confidence, changed_at)"
    " VALUES (1, 'ethereum', 'lido', 7, {fields}, 'deviation', {confidence}, now())"
)
DEEP = "(repeat('[', 600) || repeat(']', 600))::jsonb"


@pytest.mark.parametrize(
    "values",
    [
        {"confidence": "7", "fields": "NULL"},
        {"confidence": "'NaN'", "fields": "NULL"},
        {"confidence": "1", "fields": f"jsonb_build_object('a', jsonb_build_object('previous', 1, 'current', {DEEP}))"},
        {"confidence": "1", "fields": f"jsonb_build_object('a', {DEEP.replace('600', '3000')})"},
    ],
    ids=["confidence above 1", "confidence NaN", "field too deep to write", "field too deep to read"],
)
def test_a_row_that_is_no_valid_event_becomes_a_dead_letter(
    start: Start, settings: Settings, writer: psycopg.Connection, values: dict[str, str]
) -> None:
    start(settings)
    writer.execute(INSERT_EVENT.format(**values).encode())
    assert eventually(lambda: [letter[0] for letter in dead_letters(writer)] == ["redis", "sqs"])


def test_a_row_that_is_no_valid_event_does_not_block_its_neighbours(
    start: Start, settings: Settings, writer: psycopg.Connection, cache: redis.Redis, lido: None
) -> None:
    with writer.transaction():
        write(writer, 2)
        writer.execute(INSERT_EVENT.format(confidence="7", fields="NULL").encode())
        write(writer, 3)
    start(settings)
    assert eventually(lambda: values_in_stream(cache) == ["2", "3"])


def test_dead_letters_are_counted(start: Start, settings: Settings, writer: psycopg.Connection) -> None:
    pipeline = start(settings)
    writer.execute(INSERT_EVENT.format(confidence="7", fields="NULL").encode())
    assert eventually(lambda: [delivery.metrics.dead_letters for delivery in pipeline.deliveries] == [1, 1])


# Who leads


def test_a_new_leader_ends_the_sessions_that_the_loops_of_another_have_left(start: Start, settings: Settings) -> None:
    loops = build_pipeline(settings, on_problem=lambda _: None).threads().keys() - {"election"}
    with ExitStack() as stack:
        left = [stack.enter_context(closing(connect(postgres_dsn(settings), role=loop))) for loop in loops]
        start(settings)
        assert eventually(lambda: all(is_ended(connection) for connection in left))


def is_ended(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_a_database_that_cannot_be_written_to_is_told_once_and_led_when_it_can(
    start: Start, settings: Settings, writer: psycopg.Connection, problems: list[str]
) -> None:
    database = sql.Identifier(writer.info.dbname)
    writer.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))
    pipeline = start(settings)
    eventually(lambda: any("are read-only" in problem for problem in problems))
    tried = count_sessions(writer)
    eventually(lambda: count_sessions(writer) > tried + 3)
    writer.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(database))
    eventually(lambda: pipeline.election.status().role == "leader")
    assert len([problem for problem in problems if "are read-only" in problem]) == 1


def count_sessions(connection: psycopg.Connection) -> int:
    """How many sessions the database has had."""
    row = connection.execute("SELECT sessions FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(row[0]) if row else 0


# What the status says


def test_an_idle_pipeline_has_no_lag(start: Start, settings: Settings, writer: psycopg.Connection, lido: None) -> None:
    pipeline = start(settings)
    write(writer, 2)
    eventually(pipeline.idle_seconds)
    assert [delivery.lag() for delivery in pipeline.deliveries] == [(0, 0.0)] * 2


def test_a_sink_that_is_down_lags_behind_by_what_it_has_not_got(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, lido: None
) -> None:
    redis_delivery = sink_named(start(settings), "redis")
    eventually(lambda: redis_delivery.metrics.state == "running")
    stack.redis.pause()
    try:
        write(writer, 2, 3, 4)
        eventually(lambda: redis_delivery.lag()[0] >= 3)
        assert redis_delivery.lag()[1] > 0
    finally:
        stack.redis.resume()


def test_a_start_while_a_sink_is_away_finds_it_behind_by_what_waits_and_not_by_what_it_has_got(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, lido: None
) -> None:
    before = start(settings)
    write(writer, *range(2, 12))
    eventually(lambda: sink_named(before, "redis").metrics.delivered == 10)
    before.stop()
    stack.redis.pause()
    try:
        write(writer, 2, 3, 4)
        pipeline = start(settings)
        redis_delivery = sink_named(pipeline, "redis")
        assert eventually(lambda: redis_delivery.lag()[0]) == 3
        reporter = StatusReporter(pipeline)
        assert eventually(lambda: {one.sink: one.lag_seconds for one in reporter.take().sinks}["redis"]) > 0
    finally:
        stack.redis.resume()


def test_an_outage_and_its_end_are_told_once(
    start: Start, settings: Settings, writer: psycopg.Connection, stack: EmbeddedStack, problems: list[str], lido: None
) -> None:
    redis_delivery = sink_named(start(settings), "redis")
    eventually(lambda: redis_delivery.metrics.state == "running")
    stack.redis.pause()
    try:
        write(writer, 2)
        eventually(lambda: redis_delivery.metrics.retries > 2)
    finally:
        stack.redis.resume()
    eventually(lambda: redis_delivery.metrics.delivered)
    told = [problem for problem in problems if problem.startswith(("Redis at ", "Redis: recovered"))]
    assert [problem[:8] for problem in told] == ["Redis at", "Redis: r"]


# In force for the saving of a cursor alone: to take it up, and to read, still works.
FILL_THE_DISK = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON rtp.cursor FOR EACH ROW
    WHEN (old.updated_at IS DISTINCT FROM new.updated_at) EXECUTE FUNCTION refuse()
"""


def test_a_cursor_that_cannot_be_saved_is_told_once_until_it_can(
    start: Start, settings: Settings, writer: psycopg.Connection, problems: list[str], lido: None
) -> None:
    writer.execute(FILL_THE_DISK)
    redis_delivery = sink_named(start(settings), "redis")
    write(writer, 2)
    eventually(lambda: redis_delivery.metrics.reconnects > 5)
    writer.execute("DROP TRIGGER refuse ON rtp.cursor")
    eventually(lambda: any("no longer refuses" in problem for problem in problems))
    assert len([problem for problem in problems if "refuses: could not extend file" in problem]) == 1


def test_a_cursor_that_cannot_be_saved_slows_deliveries_down(
    start: Start, settings: Settings, writer: psycopg.Connection, lido: None
) -> None:
    writer.execute(FILL_THE_DISK)
    redis_delivery = sink_named(start(settings, retry_initial_seconds=0.5, retry_max_seconds=0.5), "redis")
    write(writer, 2)
    eventually(lambda: redis_delivery.metrics.reconnects)
    began_at = time.monotonic()
    eventually(lambda: redis_delivery.metrics.reconnects > 9)
    assert time.monotonic() - began_at > 0.5  # nine waits of up to half a second each


@pytest.mark.parametrize("cuts", [1, 2])
def test_a_cut_that_mends_at_once_is_counted(
    start: Start, settings: Settings, writer: psycopg.Connection, lido: None, cuts: int
) -> None:
    redis_delivery = sink_named(start(settings), "redis")
    for cut in range(cuts):
        eventually(lambda: redis_delivery.metrics.state == "running")
        cut_rtps_connections(writer)
        eventually(lambda cut=cut: redis_delivery.metrics.reconnects > cut)  # type: ignore[misc]
    assert redis_delivery.metrics.reconnects <= 2 * cuts  # it may have been back before the epoch was over


def test_a_cut_that_mends_at_once_is_no_outage(
    start: Start, settings: Settings, writer: psycopg.Connection, problems: list[str], lido: None
) -> None:
    pipeline = start(settings)
    eventually(lambda: all(delivery.metrics.state == "running" for delivery in pipeline.deliveries))
    cut_rtps_connections(writer)
    eventually(lambda: all(delivery.metrics.reconnects for delivery in pipeline.deliveries))
    write(writer, 2)
    eventually(lambda: all(delivery.metrics.delivered for delivery in pipeline.deliveries))
    # Where the new test's Redis is filled before the event is delivered, that is told; it is no outage.
    assert [problem for problem in problems if "the cache was not complete" not in problem] == []


def test_latencies_are_counted_per_event(
    start: Start, settings: Settings, writer: psycopg.Connection, lido: None
) -> None:
    pipeline = start(settings)
    write(writer, 2, 3, 4)
    eventually(lambda: all(delivery.metrics.delivered == 3 for delivery in pipeline.deliveries))
    assert [delivery.metrics.delivery.latencies().total for delivery in pipeline.deliveries] == [3, 3]


# What ends a loop


def test_a_database_without_rtp_ends_the_pipeline(start: Start, settings: Settings, database: str) -> None:
    pipeline = start(settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": database})}))
    assert isinstance(eventually(lambda: pipeline.failure), NotInstalled)


def test_removing_rtp_ends_the_pipeline(start: Start, settings: Settings, writer: psycopg.Connection) -> None:
    pipeline = start(settings)
    eventually(lambda: sink_named(pipeline, "redis").metrics.state == "running")
    eventually(lambda: drops_schema(writer))
    assert isinstance(eventually(lambda: pipeline.failure), NotInstalled)


def drops_schema(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("DROP SCHEMA rtp CASCADE")
    except (
        psycopg.errors.DeadlockDetected
    ):  # with a reader of several of its tables: PostgreSQL lets one of the two go on
        return False
    return True


def test_a_loop_that_ended_is_not_running(start: Start, settings: Settings, database: str) -> None:
    pipeline = start(settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": database})}))
    eventually(lambda: pipeline.failure)
    pipeline.stop()
    assert not any(delivery.is_running for delivery in pipeline.deliveries)


class StubSink(Sink):
    """Stands for a sink with a defect, which no real service can be made to have."""

    name = "stub"
    service = "stub"
    address = "nowhere"
    batch_size = 10
    poll_interval_seconds = 0.001
    epoch: Epoch = UNFENCED

    def __init__(self, deliver: Callable[[Sequence[Event]], Any]) -> None:
        self._deliver = deliver

    def open(self) -> None:
        pass

    def deliver(self, events: Sequence[Event]) -> Outcome:
        outcome: Outcome = self._deliver(events)
        return outcome

    def close(self) -> None:
        pass


def stub_delivery(
    settings: Settings,
    deliver: Callable[[Sequence[Event]], Any],
    *,
    reader: LogReader | None = None,
    wants: Callable[[LogRow], bool] = lambda _: True,
    precedence: Precedence | None = None,
) -> Delivery:
    server = DatabaseServer(postgres_dsn(settings))
    sink: Sink = StubSink(deliver)
    return Delivery(
        sink,
        reader or LogReader(server, sink.name),
        WakeUp(server, settings.run, Epochs(UNFENCED), recovery=quiet_recovery()),
        Epochs(UNFENCED),
        source="/rtp",
        max_attempts=3,
        on_problem=lambda _: None,
        log=quiet_recovery(),
        service=quiet_recovery("stub"),
        wants=wants,
        precedence=precedence,
    )


def write_event(settings: Settings) -> None:
    write_backlog(settings, 1)


def test_a_defect_ends_the_loop_with_its_name(installed: Settings) -> None:
    delivery = stub_delivery(installed, lambda events: events[99])
    delivery.start()
    write_event(installed)
    failure = eventually(lambda: delivery.failure)
    delivery.join()
    assert "IndexError" in str(failure)


def test_a_stop_while_some_events_are_undelivered_leaves_them_for_later(
    installed: Settings, writer: psycopg.Connection
) -> None:
    delivery = stub_delivery(installed, lambda events: Outcome(undelivered=events, cause="busy"))
    delivery.start()
    write_event(installed)
    eventually(lambda: delivery.metrics.retries)
    delivery.request_stop()
    delivery.join()
    assert count_waiting(writer, "stub") == 1


def test_a_save_that_fails_at_the_end_is_counted(
    installed: Settings, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.processor.cursor_saver.SAVE_INTERVAL_SECONDS", 10**9)  # only at the end

    def cut_and_stop(_: Sequence[Event]) -> Outcome:
        delivery.request_stop()
        cut_rtps_connections(writer)
        return Outcome()

    delivery = stub_delivery(installed, cut_and_stop)
    delivery.start()
    write_event(installed)
    delivery.join(10)
    assert delivery.metrics.reconnects == 1


def write_backlog(settings: Settings, events: int) -> None:
    with closing(psycopg.connect(postgres_dsn(settings), autocommit=True)) as connection:
        for _ in range(events):
            connection.execute(INSERT_EVENT.format(confidence="1", fields="NULL").encode())


class CountingReader(LogReader):
    """Counts the rows that it has read."""

    rows = 0

    def read(self, limit: int) -> Chunk:
        chunk = super().read(limit)
        self.rows += len(chunk.rows)
        return chunk


def test_the_next_chunk_of_a_backlog_is_read_while_this_one_is_built_and_delivered(installed: Settings) -> None:
    write_backlog(installed, 30)
    reader = CountingReader(postgres_server(installed), StubSink.name)
    read_at_build: list[int] = []
    read_at_delivery: list[int] = []

    def wants(_: LogRow) -> bool:
        if not read_at_build:
            read_at_build.append(eventually(lambda: reader.rows > 10 and reader.rows))
        return True

    def deliver(_: Sequence[Event]) -> Outcome:
        if read_at_build and len(read_at_delivery) < 2:
            read_at_delivery.append(eventually(lambda: reader.rows > 10 * (1 + len(read_at_delivery)) and reader.rows))
        return Outcome()

    delivery = stub_delivery(installed, deliver, wants=wants, reader=reader)
    delivery.start()
    eventually(lambda: delivery.metrics.delivered == 30)
    delivery.request_stop()
    delivery.join()
    assert (read_at_build, read_at_delivery) == ([20], [20, 30])


class WatchedPrecedence(Precedence):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def begin(self) -> None:
        self.noted.append("begin")
        super().begin()

    def end(self) -> None:
        self.noted.append("end")
        super().end()

    def wait(self) -> None:
        self.noted.append("wait")
        super().wait()


@pytest.mark.parametrize(
    ("goes_first", "events", "noted"),
    [
        (True, 10, ["begin", "deliver", "begin", "end"]),
        (True, 3, ["begin", "deliver", "end"]),
        (False, 10, ["wait", "deliver"]),
        (False, 3, ["deliver"]),
    ],
)
def test_a_full_chunk_waits_for_the_sink_that_goes_first(
    installed: Settings, goes_first: bool, events: int, noted: list[str]
) -> None:
    write_backlog(installed, events)
    precedence = WatchedPrecedence()

    def deliver(_: Sequence[Event]) -> Outcome:
        precedence.noted.append("deliver")
        return Outcome()

    delivery = stub_delivery(installed, deliver, precedence=precedence)
    delivery.sink.goes_first = goes_first
    delivery.start()
    eventually(lambda: delivery.metrics.idle_since)
    delivery.request_stop()
    delivery.join()
    assert precedence.noted[: len(noted)] == noted


class WatchedReader(LogReader):
    """Reads slowly, unless somebody saves dead events meanwhile, which it notes."""

    def __init__(self, server: DatabaseServer, sink: str) -> None:
        super().__init__(server, sink)
        self.saved_while_reading: list[bool] = []
        self._is_reading = False
        self._has_saved = threading.Event()

    def read(self, limit: int) -> Chunk:
        self._is_reading = True
        chunk = super().read(limit)
        self._has_saved.wait(0.05)
        self._is_reading = False
        return chunk

    def save(self, cursor: Cursor | None = None, dead_events: Sequence[DeadEvent] = ()) -> None:
        if dead_events:
            self.saved_while_reading.append(self._is_reading)
            self._has_saved.set()
        super().save(cursor, dead_events)
        self._has_saved.clear()


def test_dead_letters_are_written_while_nothing_is_read_ahead(installed: Settings) -> None:
    """A read within their transaction would not see which other transactions have begun since (core/sql/log.sql)."""
    write_backlog(installed, 25)
    reader = WatchedReader(postgres_server(installed), StubSink.name)
    delivery = stub_delivery(
        installed,
        lambda events: Outcome(rejected=[Rejection(events[0], "no")]) if len(events) == 10 else Outcome(),
        reader=reader,
    )
    delivery.start()
    eventually(lambda: delivery.metrics.delivered == 23)
    delivery.request_stop()
    delivery.join()
    assert reader.saved_while_reading == [False, False]


def test_a_connection_cut_while_a_chunk_is_read_ahead_loses_nothing(
    installed: Settings, writer: psycopg.Connection
) -> None:
    write_backlog(installed, 35)
    delivered: list[int] = []

    def deliver(events: Sequence[Event]) -> Outcome:
        delivered.extend(int(event.sequence) for event in events)
        if len(delivered) == 10:
            cut_rtps_connections(writer)
        return Outcome()

    delivery = stub_delivery(installed, deliver)
    delivery.start()
    eventually(lambda: len(set(delivered)) == 35)
    delivery.request_stop()
    delivery.join()
    assert delivery.failure is None


# Wiring


def test_sqs_without_boto3_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.sinks.sqs.sink", None)
    with pytest.raises(SettingsError, match="pip install"):
        build_sinks(settings)


def test_a_pipeline_needs_a_sink(installed: Settings) -> None:
    with pytest.raises(SettingsError, match="no sink"):
        build_sinks(installed)


def test_a_sink_that_never_answers_does_not_keep_the_error_a_secret(
    start: Start, settings: Settings, stack: EmbeddedStack
) -> None:
    stack.redis.pause()
    try:
        redis_delivery = sink_named(start(settings), "redis")
        assert "Redis at" in eventually(lambda: redis_delivery.metrics.last_error)
    finally:
        stack.redis.resume()
