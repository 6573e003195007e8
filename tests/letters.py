"""Dead letters: how the tests have some, look at them, and run `rtp dlq`."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from core.processor.build import build_pipeline
from core.services.postgres import connect
from core.settings.models import CircuitBreakerSettings, postgres_dsn
from tests.eventually import eventually
from tests.tvl_table import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from core.processor.pipeline import Pipeline
    from core.settings.models import Settings
    from tests.command import Command, Done
    from tests.faulty_sqs import FaultySqs


def prompt_pipeline(settings: Settings, on_problem: Callable[[object], None]) -> Pipeline:
    """One that gives up on an event after three attempts, and soon."""
    prompt = {
        "retry_initial_seconds": 0.01,
        "retry_max_seconds": 0.02,
        "max_attempts": 3,
        "circuit_breaker": CircuitBreakerSettings(failures=5, open_seconds=0.05),
    }
    run = settings.run.model_copy(update=prompt)
    return build_pipeline(settings.model_copy(update={"run": run}), on_problem=on_problem)


def through(settings: Settings, gateway: FaultySqs) -> Settings:
    """Settings that reach SQS through the gateway."""
    return settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"endpoint_url": gateway.url})})


@contextmanager
def two_refused(faulty: Settings, gateway: FaultySqs) -> Iterator[None]:
    """Two events of lido that SQS refused, their copies in the dead letter queue; rtp is stopped."""
    with closing(connect(postgres_dsn(faulty), role="test")) as writer:
        write(writer, 1)
        gateway.poisonous = '"entity":"lido"'
        pipeline = prompt_pipeline(faulty, lambda _: None)
        pipeline.start()
        try:
            write(writer, 2, 4)
            eventually(lambda: [row[0] is not None for row in letters(writer, "queued_at")] == [True, True])
        finally:
            assert pipeline.stop()
        gateway.poisonous = ""
        yield


def dlq(command: Command, settings: Settings) -> Callable[..., Done]:
    """Runs `rtp dlq …` against the test's services."""

    def run(*words: str) -> Done:
        services = {
            "RTP_POSTGRES_DSN": postgres_dsn(settings),
            "RTP_REDIS_URL": settings.redis.url or "",
            "RTP_SQS_ENDPOINT_URL": settings.sqs.endpoint_url or "",
            "RTP_SQS_QUEUE": settings.sqs.queue or "",
        }
        return command("dlq", *words, environ=services)

    return run


def letters(connection: psycopg.Connection, columns: str = "sink, status") -> list[tuple[Any, ...]]:
    """What the database holds of each letter."""
    return connection.execute(f"SELECT {columns} FROM rtp.dead_letter ORDER BY event_id, id".encode()).fetchall()


def values_in(messages: list[Any]) -> list[str]:
    """The current value of each message's event."""
    return [json.loads(message["Body"])["data"]["current"] for message in messages]
