"""Everything that a run consists of: the servers, the proxies before them, rtp, the writers, and those who read."""

from __future__ import annotations

import random
import tempfile
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psycopg

from core.demo.queue import create_queue
from core.errors import ServiceUnavailable
from core.services.postgres import connect
from core.settings.models import Settings
from core.stack import EmbeddedStack
from core.stack.ports import LOOPBACK
from loadtests.faults.alert_audit import AlertAudit
from loadtests.faults.cache_check import wrong_entries
from loadtests.faults.clock import Clock
from loadtests.faults.stream_audit import StreamAudit, impatient_client
from loadtests.faults.workload import PRICES, PROTOCOLS, QUERIES, TVL, Pace, Workload
from loadtests.shared.gateway import Gateway
from loadtests.shared.proxy import TcpProxy
from loadtests.shared.rtp_run import RtpRun, environ_without_addresses
from loadtests.shared.sqs_consumer import stack_sqs_client
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadtests.faults.disk import Disk

QUEUE = "rtp-faults.fifo"
# Behind more than this the SQS endpoint gets slow, and its slowness would pass for rtp's.
_MOST_UNREAD = 500
# Production's own timeouts and retries: what is left out here is the default.
SETTINGS: dict[str, Any] = {
    "run": {"status_interval_seconds": 1},
    "watches": {
        "tvl": {
            "kind": "tvl",
            "table": "public.tvl",
            "percent": 0,
            "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at"},
        },
        "prices": {
            "kind": "price",
            "table": "public.prices",
            "shape": "history",
            "percent": 0,
            "columns": {"token": "token", "value": "price_usd", "changed_at": "sampled_at"},
        },
        "protocols": {
            "kind": "protocol",
            "table": "public.protocols",
            "watched": ["name"],
            "columns": {"protocol": "protocol", "changed_at": "updated_at"},
        },
    },
}
_Answer = TypeVar("_Answer")


class Stuck(Exception):
    """What must happen did not happen in time."""


class World:
    """A context manager; everything is running inside of it."""

    def __init__(self, *, seed: int, rate: float, disk: Disk) -> None:
        self.rng = random.Random(seed)
        self.disk = disk
        self._seed = seed
        self._rate = rate
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with self._open as opening:
            self._start(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self, opening: ExitStack) -> None:
        if not self.disk.missing:
            tempfile.tempdir = str(self.disk.folder)
            opening.callback(setattr, tempfile, "tempdir", None)
        self.clock = opening.enter_context(closing(Clock()))
        self.stack = opening.enter_context(EmbeddedStack(durable=True, appendonly=True))
        if not self.clock.missing:
            self.stack.postgres.extra_environment.update(self.clock.environment)
            self.stack.postgres.restart()
        self.make_redis_careful()
        self.alerts = AlertAudit(self.stack.addresses, self.make_queue())
        self.stream = StreamAudit(self.stack.redis.url)
        self._prepare_tables()
        self._start_proxies(opening)
        self.runs = [self._make_rtp(name) for name in ("rtp-1", "rtp-2")]
        pace = Pace(self._rate, lambda: self.alerts.waiting > _MOST_UNREAD)
        self.workload = Workload(self.stack.addresses.postgres_dsn, pace, self._seed)
        for thing in (self.stream, self.alerts):
            thing.start()
            opening.callback(thing.stop)
        for run in self.runs:
            opening.enter_context(run)
        self.workload.start()
        opening.callback(self.workload.stop)

    def make_redis_careful(self) -> None:
        """Nothing is answered before it is on disk, so that a killed Redis comes back with all that it has taken."""
        with closing(impatient_client(self.stack.redis.url)) as client:
            client.config_set("appendfsync", "always")

    def make_queue(self) -> str:
        """Make the queue, which the endpoint loses with its memory; the queue's URL."""
        with closing(stack_sqs_client(self.stack.addresses)) as client:
            return create_queue(client, QUEUE)

    def _prepare_tables(self) -> None:
        settings = Settings.model_validate(SETTINGS)
        with connect(self.stack.addresses.postgres_dsn, role="faults") as connection:
            connection.execute(QUERIES["create"])
            for table, entities in (("tvl", TVL + 1), ("prices", PRICES), ("protocols", PROTOCOLS)):
                connection.execute(QUERIES[f"seed_{table}"], [entities])
            apply(connection, plan_installation(connection, settings))

    def _start_proxies(self, opening: ExitStack) -> None:
        self.gateway = opening.enter_context(
            closing(Gateway(self.stack.sqs.port, self.alerts.note_accepted, random.Random(self._seed)))
        )
        ports = {"postgres": self.stack.postgres.port, "redis": self.stack.redis.port, "sqs": self.gateway.port}
        self.proxies = {name: opening.enter_context(closing(TcpProxy(port))) for name, port in ports.items()}

    def _make_rtp(self, name: str) -> RtpRun:
        addresses = self.stack.addresses
        postgres_dsn = self._through("postgres", addresses.postgres_dsn, self.stack.postgres.port)
        redis_url = self._through("redis", addresses.redis_url, self.stack.redis.port)
        sqs_endpoint_url = f"http://{LOOPBACK}:{self.proxies['sqs'].port}"
        settings = Settings.model_validate(
            SETTINGS
            | {
                "postgres": {"dsn": postgres_dsn},
                "redis": {"url": redis_url},
                "sqs": {"endpoint_url": sqs_endpoint_url, "queue": QUEUE},
            }
        )
        environ = environ_without_addresses() | addresses.environ(queue=QUEUE) | self.clock.environment
        return RtpRun(settings, environ, name=name)

    def _through(self, service: str, address: str, port: int) -> str:
        return address.replace(f"{LOOPBACK}:{port}", f"{LOOPBACK}:{self.proxies[service].port}")

    def start_rtp(self) -> None:
        """Start what does not run; whichever comes first leads, and the other stands by."""
        for run in self.runs:
            run.start()

    def leader(self, within_seconds: float = 30) -> RtpRun:
        """The one that leads, as soon as the other stands by. Raises Stuck."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            pid, standbys = self.ask("leader") or (0, 0)
            for run in self.runs:
                if standbys and run.pid == pid:
                    return run
            time.sleep(0.02)
        raise Stuck(f"there is not one that leads and one that stands by; {self.last_words()}")

    def unexpected_ends(self) -> list[str]:
        for run in self.runs:
            run.note_unexpected_end()
        return [end for run in self.runs for end in run.unexpected_ends]

    def last_words(self) -> str:
        return "; ".join(f"{run.name} says: {run.last_words()}" for run in self.runs)

    def committed(self, within_seconds: float = 30) -> dict[str, int]:
        """How many steps of every entity are committed now; PostgreSQL may need a moment for an answer."""
        return self.insist(self.workload.committed, within_seconds)

    def insist(self, ask: Callable[[], _Answer], within_seconds: float = 30) -> _Answer:
        """Ask PostgreSQL until it answers."""
        deadline = time.monotonic() + within_seconds
        while True:
            try:
                return ask()
            except (psycopg.Error, ServiceUnavailable):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def wrong_in_cache(self, committed: Mapping[str, int]) -> list[str]:
        """The entities whose cache entry is missing, or is not their newest event."""
        with closing(impatient_client(self.stack.redis.url)) as client:
            return wrong_entries(client, committed)

    def ask(self, query: str) -> tuple[Any, ...]:
        with connect(self.stack.addresses.postgres_dsn, role="checker") as connection:
            return connection.execute(QUERIES[query]).fetchone() or ()
