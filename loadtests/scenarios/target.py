"""What a load test is aimed at: the embedded stack, or a configured one. Made ready before, cleaned up after."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.demo.queue import create_queue
from core.errors import InstallError, SettingsError
from core.inspection.inspector import inspect
from core.services.postgres import connect, queries
from core.settings.models import postgres_dsn
from core.settings.watches import watch_model
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from loadtests.scenarios.names import CHAIN, KIND, SCHEMA, TABLE, WATCH
from loadtests.shared.giving_way import give_way
from loadtests.shared.rtp_run import addresses_of, environ_without_addresses
from rtp_client.keys import cache_key
from rtp_client.postgres import address
from rtp_client.redact import redact
from rtp_client.redis import redis_client
from triggers.catalog import read_installation
from triggers.installer import apply, find_drift, plan_installation, plan_removal

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

    from psycopg import Connection

    from core.settings.models import Settings
    from core.stack import StackAddresses
    from loadtests.scenarios.scenario import Scenario

EMBEDDED_QUEUE = "rtp-alerts.fifo"
_QUERIES = queries("loadtests.scenarios", "writes.sql")
_KEYS_AT_ONCE = 1000
_LOG_SEGMENTS = 4  # 64 MB, which PostgreSQL keeps by default: more than a minute of 1,000 rows a second


@dataclass(frozen=True)
class Target:
    """Where the load goes. `servers` are the process ids of what runs on this machine and is ours to look at."""

    name: str
    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    servers: Mapping[str, int]
    rtp_is_running: bool


def intentions(settings: Settings, scenario: Scenario) -> list[str]:
    """What a load test will write to a configured stack, and how it cleans up; a line each."""
    lines = [
        f"PostgreSQL {address(postgres_dsn(settings))}: a schema {SCHEMA} with one table of {scenario.entities:,} "
        f"protocols, and the watch {WATCH!r} in rtp's schema; both are removed at the end, also after Ctrl-C",
    ]
    if settings.redis.url:
        lines.append(
            f"Redis {redact(settings.redis.url)}: {scenario.entities:,} cache entries of the chain {CHAIN}, removed at "
            "the end; its events in rtp:stream stay until newer ones push them out"
        )
    if settings.sqs.queue:
        lines.append(
            f"SQS {settings.sqs.queue}: alerts of the chain {CHAIN}, received and deleted while it runs; other alerts "
            "are put back at once, which counts as a receive of theirs"
        )
    return lines


@contextmanager
def embedded_target(
    scenario: Scenario, on_step: Callable[[str], None], stop_requested: threading.Event
) -> Iterator[Target]:
    """A stack of our own, on this machine, gone at the end. Raises Cancelled where a stop is requested meanwhile."""
    stack = EmbeddedStack()
    with ExitStack() as exits:
        exits.callback(stack.stop)
        stack.start(on_step, stop_requested)
        if stack.sqs.pid is not None:  # elsewhere it is Amazon's machines that do its work
            give_way(stack.sqs.pid)
        addresses = stack.addresses
        environ = environ_without_addresses() | addresses.environ(queue=EMBEDDED_QUEUE)
        settings = _with_watch(load_settings(None, environ=environ, options={}), scenario, {})
        _create_queue(addresses)
        with connect(addresses.postgres_dsn, role="loadtest") as connection:
            _create_table(connection, scenario)
            apply(connection, plan_installation(connection, settings))
            _make_log_segments(connection)
        pids = {"PostgreSQL": stack.postgres.pid, "Redis": stack.redis.pid, "SQS endpoint": stack.sqs.pid}
        servers = {name: pid for name, pid in pids.items() if pid is not None}
        yield Target("embedded stack", settings, environ, servers, rtp_is_running=False)


@contextmanager
def configured_target(configured: Settings, scenario: Scenario) -> Iterator[Target]:
    """The stack that the settings name; what was made in it is removed at the end."""
    dsn = postgres_dsn(configured)
    with ExitStack() as exits, connect(dsn, role="loadtest") as connection:
        installed = read_installation(connection) is not None
        before = dict(configured.watches) if installed else {}
        _refuse_what_is_not_ours(connection, configured, installed=installed)
        _find_queue(configured)
        settings = _with_watch(configured, scenario, before)
        running = installed and inspect(connection, configured.log).processor.is_running
        exits.callback(_clean_up, configured, scenario, installed=installed)
        _create_table(connection, scenario)
        apply(connection, plan_installation(connection, settings))
        environ = {**os.environ, **addresses_of(configured)}
        yield Target(address(dsn), settings, environ, {}, rtp_is_running=running)


def reseed(target: Target, scenario: Scenario) -> None:
    """Begin anew between two runs on one target."""
    with connect(postgres_dsn(target.settings), role="loadtest") as connection:
        connection.execute(_QUERIES[f"reseed_{scenario.shape}"])


def _find_queue(configured: Settings) -> None:
    """Raise SinkUnavailable where the queue of the settings is not there, or SQS does not answer."""
    if not (queue := configured.sqs.queue):
        return
    # boto3: 0.2 s that a refusal spares
    from core.services.sqs_answers import NO_ANSWER, queue_unavailable  # noqa: PLC0415
    from core.services.sqs_client import sqs_client  # noqa: PLC0415

    with closing(sqs_client(configured.sqs)) as client:
        try:
            client.get_queue_url(QueueName=queue)
        except NO_ANSWER as error:
            raise queue_unavailable(client.meta, queue, error) from error


def _refuse_what_is_not_ours(connection: Connection, configured: Settings, *, installed: bool) -> None:
    if connection.execute("SELECT to_regnamespace(%s)::text", [SCHEMA]).fetchone() != (None,):
        raise InstallError(
            f"the database has a schema {SCHEMA} already: another load test runs, or one was killed",
            f"If none runs: DROP SCHEMA {SCHEMA} CASCADE, then rtp install-triggers",
        )
    if WATCH in configured.watches:
        raise SettingsError(f"the settings have a watch called {WATCH!r}, which is the load test's own", "Rename it")
    if installed and (drift := find_drift(connection, configured)):
        raise InstallError(
            f"what is installed is not what the settings say ({drift[0].subject}: {drift[0].what})",
            "Run rtp install-triggers with these settings, or give the load test the settings that are installed",
        )


def _with_watch(settings: Settings, scenario: Scenario, others: Mapping[str, object]) -> Settings:
    watch = {
        "kind": KIND,
        "table": TABLE,
        "shape": scenario.shape,
        "percent": 1,
        "columns": {
            "chain": "chain",
            "protocol": "protocol",
            "value": "tvl_usd",
            "changed_at": "updated_at",
            "provenance": "source",
        },
    }
    # The others stay the very objects that they are: to the installer they must not look changed.
    return settings.model_copy(
        update={"watches": {**others, WATCH: watch_model(settings.all_kinds[KIND]).model_validate(watch)}}
    )


def _create_queue(addresses: StackAddresses) -> None:
    from loadtests.shared.sqs_consumer import stack_sqs_client  # noqa: PLC0415 - boto3: 0.2 s that a refusal spares

    with closing(stack_sqs_client(addresses)) as client:
        create_queue(client, EMBEDDED_QUEUE)


def _create_table(connection: Connection, scenario: Scenario) -> None:
    connection.execute(_QUERIES["create_schema"])
    connection.execute(_QUERIES[f"create_{scenario.shape}"])
    connection.execute(_QUERIES["seed"], {"chain": CHAIN, "entities": scenario.entities})
    connection.execute("VACUUM ANALYZE rtp_loadtest.tvl")


def _make_log_segments(connection: Connection) -> None:
    """Have PostgreSQL fill and keep some segments of its log, as one that has run for a while writes into old ones.

    A new one makes a segment every 16 MB, for which all writers stand still: for 70 ms, where the disk takes 230 MB/s.
    """
    for _ in range(_LOG_SEGMENTS):
        connection.execute(_QUERIES["next_log_segment"])
    connection.execute("CHECKPOINT")


def _clean_up(configured: Settings, scenario: Scenario, *, installed: bool) -> None:
    """Take everything out again, on connections of its own: those of before may be what broke."""
    with connect(postgres_dsn(configured), role="loadtest") as connection:
        if read_installation(connection) is not None:
            steps = plan_installation(connection, configured) if installed else plan_removal(connection)
            apply(connection, steps)
        connection.execute(_QUERIES["drop_schema"])
    if configured.redis.url:
        keys = [cache_key(KIND, CHAIN, f"p{number}") for number in range(scenario.entities)]
        with redis_client(configured.redis.url) as client:
            for first in range(0, len(keys), _KEYS_AT_ONCE):
                client.delete(*keys[first : first + _KEYS_AT_ONCE])
