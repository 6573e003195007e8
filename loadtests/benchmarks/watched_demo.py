"""The embedded stack with the demo's tables, watched as by default, for benchmarks of the whole flow."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.demo.queue import create_queue
from core.demo.tables import create_tables
from core.services.postgres import connect, queries
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from loadtests.shared.rtp_run import RtpRun, environ_without_addresses
from loadtests.shared.sqs_consumer import stack_sqs_client
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from core.settings.models import Settings
    from core.stack import StackAddresses

QUERIES = queries("loadtests.benchmarks", "watched_demo.sql")
_QUEUE = "rtp-alerts.fifo"


@dataclass(frozen=True)
class WatchedDemo:
    """A stack that is ready; the connection is the writer's."""

    addresses: StackAddresses
    settings: Settings
    entities: int
    queue_url: str
    connection: psycopg.Connection

    def rtp(self, settings: Settings | None = None, *options: str) -> RtpRun:
        """`rtp run` on it, with these settings or its own."""
        environ = environ_without_addresses() | self.addresses.environ(queue=_QUEUE)
        return RtpRun(settings or self.settings, environ, *options)

    def change_all(self, rounds: int) -> None:
        """Change every entity's value by 2 % so many times: an event each."""
        for _ in range(rounds):
            self.connection.execute(QUERIES["change_all"])


@contextmanager
def watched_demo(entities: int, *, durable: bool = True, with_alerts: bool = True) -> Iterator[WatchedDemo]:
    """Start it, with entities p0, p1 ... of the chain `bench` that have been seen: their next value is a change."""
    with (
        EmbeddedStack(durable=durable) as stack,
        connect(stack.addresses.postgres_dsn, role="bench") as connection,
    ):
        settings = load_settings(None, environ=stack.addresses.environ(queue=_QUEUE), options={})
        client = stack_sqs_client(stack.addresses)
        queue_url = create_queue(client, _QUEUE)
        client.close()
        create_tables(connection)
        connection.execute(QUERIES["seed"], {"entities": entities})
        apply(connection, plan_installation(connection, settings))
        settings = settings if with_alerts else without_queue(settings)
        yield WatchedDemo(stack.addresses, settings, entities, queue_url, connection)


def without_queue(settings: Settings) -> Settings:
    """The settings of an rtp that sends no alerts."""
    return settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"queue": None})})


def without_redis(settings: Settings) -> Settings:
    """The settings of an rtp that only sends alerts."""
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": None})})
