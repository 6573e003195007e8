"""A writer's trace context goes with its events, from SET LOCAL to Redis and SQS. What is none harms nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
from psycopg import sql

from core.processor.build import build_pipeline
from core.settings.models import Settings
from rtp_client.keys import STREAM
from tests.eventually import eventually
from tests.judging import judge_waiting
from tests.watching import install

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue

Connect = Callable[[], psycopg.Connection]

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


@contextmanager
def traced(connection: psycopg.Connection, parent: str, state: str | None = None) -> Iterator[None]:
    """A transaction whose writer has set its trace context."""
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL rtp.traceparent = {}").format(parent))
        if state is not None:
            connection.execute(sql.SQL("SET LOCAL rtp.tracestate = {}").format(state))
        yield


def write(connection: psycopg.Connection, value: int, *entities: str) -> None:
    """Set the TVL of entities, in one statement."""
    connection.execute(
        "INSERT INTO tvl SELECT 'ethereum', entity, %s, 'llama' FROM unnest(%s::text[]) AS e (entity)"
        " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
        [value, list(entities)],
    )


def contexts(connection: psycopg.Connection) -> list[tuple[str | None, str | None]]:
    return connection.execute("SELECT traceparent, tracestate FROM rtp.event ORDER BY id").fetchall()


@pytest.fixture
def seen(writer: psycopg.Connection) -> psycopg.Connection:
    """The writer, after two entities were seen for the first time."""
    write(writer, 1, "lido", "aave")
    return writer


def test_an_event_carries_what_its_transaction_has_set(seen: psycopg.Connection) -> None:
    with traced(seen, PARENT, STATE):
        write(seen, 2, "lido")
    assert contexts(seen) == [(PARENT, STATE)]


def test_all_events_of_a_statement_carry_it(seen: psycopg.Connection) -> None:
    with traced(seen, PARENT):
        write(seen, 2, "lido", "aave")
    assert contexts(seen) == [(PARENT, None)] * 2


def test_a_deleted_row_carries_it(seen: psycopg.Connection) -> None:
    with traced(seen, PARENT):
        seen.execute("DELETE FROM tvl WHERE protocol = 'lido'")
    judge_waiting(seen)
    assert contexts(seen) == [(PARENT, None)]


def test_a_change_of_metadata_carries_it(writer: psycopg.Connection) -> None:
    with traced(writer, PARENT):
        writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'Lido', 'llama')")
    assert contexts(writer) == [(PARENT, None)]


def test_the_next_transaction_carries_nothing(seen: psycopg.Connection) -> None:
    with traced(seen, PARENT, STATE):
        write(seen, 2, "lido")
    write(seen, 4, "lido")
    assert contexts(seen)[1] == (None, None)


@pytest.mark.parametrize(
    "no_parent",
    [
        "",
        "none",
        PARENT.upper(),
        f"{PARENT}-more",
        PARENT[:-1],
        f"{PARENT}\n",
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        "x" * 100_000,
    ],
)
def test_what_is_no_trace_context_is_ignored_and_the_event_comes(seen: psycopg.Connection, no_parent: str) -> None:
    with traced(seen, no_parent, STATE):
        write(seen, 2, "lido")
    assert contexts(seen) == [(None, None)]


@pytest.mark.parametrize("no_state", ["", "a=\t", "a=é", "a=" + "x" * 511])
def test_a_state_that_is_none_is_ignored_alone(seen: psycopg.Connection, no_state: str) -> None:
    with traced(seen, PARENT, no_state):
        write(seen, 2, "lido")
    assert contexts(seen) == [(PARENT, None)]


# Samples that a trigger leaves to rtp run


@pytest.fixture
def left(writer: psycopg.Connection) -> psycopg.Connection:
    """A history of which a first price and one that differs wait, the second with a trace context; a third without."""
    writer.execute("CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz DEFAULT now())")
    columns = {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"}
    install(writer, samples={"kind": "price", "table": "samples", "shape": "history", "percent": 1, "columns": columns})
    writer.execute("INSERT INTO samples VALUES ('ethereum', 'usdc', 100)")
    with traced(writer, PARENT, STATE):
        writer.execute("INSERT INTO samples VALUES ('ethereum', 'usdc', 110)")
    writer.execute("INSERT INTO samples VALUES ('ethereum', 'usdc', 120)")
    return writer


def test_a_sample_keeps_its_writers_context_while_it_waits(left: psycopg.Connection) -> None:
    judge_waiting(left)
    assert contexts(left) == [(PARENT, STATE), (None, None)]


# On the wire


@pytest.fixture
def delivered(seen: psycopg.Connection, settings: Settings) -> Iterator[psycopg.Connection]:
    """The writer, while rtp delivers one event with a trace context and one without."""
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    pipeline.start()
    with traced(seen, PARENT, STATE):
        write(seen, 2, "lido")
    write(seen, 2, "aave")
    yield seen
    assert pipeline.stop()


def test_the_event_in_redis_carries_it(delivered: psycopg.Connection, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        eventually(lambda: client.xlen(STREAM) == 2)
        entries: Any = client.xrange(STREAM)
    first, second = (json.loads(fields["event"]) for _, fields in entries)
    assert (first["traceparent"], first["tracestate"]) == (PARENT, STATE)
    assert not {"traceparent", "tracestate"} & second.keys()


def test_the_message_in_sqs_carries_it_as_attributes_too(
    delivered: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    received: dict[str, Any] = {}

    def receive() -> bool:
        answer = sqs_client.receive_message(
            QueueUrl=sqs_queue.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        for message in answer.get("Messages", ()):
            received[json.loads(message["Body"])["data"]["entity"]] = message
        return len(received) == 2

    eventually(receive)
    attributes = {name: value["StringValue"] for name, value in received["lido"]["MessageAttributes"].items()}
    assert attributes == {"traceparent": PARENT, "tracestate": STATE}
    assert json.loads(received["lido"]["Body"])["traceparent"] == PARENT
    assert "MessageAttributes" not in received["aave"]


# What else must not forget it


def test_what_a_rotation_keeps_of_an_event_is_all_of_it(writer: psycopg.Connection) -> None:
    columns = "SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
    kept, log = (writer.execute(columns, [f"rtp.{table}"]).fetchone() for table in ("latest_event", "event"))
    assert kept == log
