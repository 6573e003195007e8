"""From settings to a pipeline: the only file that names concrete sinks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core.database import Server
from core.errors import SettingsError
from core.patience import FIRST_SECONDS
from core.processor.circuit import CircuitBreaker
from core.processor.delivery import Delivery
from core.processor.forwarding import Forwarding
from core.processor.freshening import Freshening
from core.processor.housekeeping import Housekeeping
from core.processor.judging import Judging
from core.processor.lag import LagAlarm
from core.processor.leader import Leadership
from core.processor.log import LogReader
from core.processor.pipeline import Pipeline
from core.processor.rebuilding import Rebuilding
from core.processor.sharing import SharedEvents
from core.processor.wakeup import WakeUp
from core.retry import Backoff
from core.routing import Routes, sqs_destinations
from core.settings.models import postgres_dsn
from core.sinks.cache_fill import CacheFill
from core.sinks.redis import RedisSink
from core.term import Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.event_row import LogRow
    from core.routing import SqsDestination
    from core.settings.models import Settings, SqsSettings
    from core.sinks import Sink
    from core.sinks.dead_letter_queue import DeadLetterQueue


def build_sinks(settings: Settings) -> list[Sink]:
    """The sinks that the settings ask for. Raises SettingsError where one lacks its address."""
    sinks: list[Sink] = []
    if settings.redis.url:
        routes, poll_seconds = Routes(settings), settings.run.poll_interval_ms / 1000
        channels = {"channels_of": routes.channels} if routes.has_channels else {}
        url = settings.redis.url
        sinks.append(RedisSink(settings.redis, url=url, poll_interval_seconds=poll_seconds, **channels))
    sinks += [_sqs_sink(settings.sqs, destination) for destination in sqs_destinations(settings)]
    if not sinks:
        raise SettingsError(
            "there is no sink: neither redis.url nor sqs.queue nor a route's queue is set",
            "Set RTP_REDIS_URL, RTP_SQS_QUEUE, or the keys in the YAML file",
        )
    return sinks


def _sqs_sink(settings: SqsSettings, destination: SqsDestination) -> Sink:
    try:
        # boto3 is an extra: only who uses SQS needs it
        from core.sinks.sqs import SqsSink  # noqa: PLC0415
        from core.sinks.sqs_client import sqs_client  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("sqs.queue is set, but boto3 is not installed", 'pip install "rtp[aws]"') from error
    return SqsSink(
        settings,
        sqs_client(settings),
        quick_client=sqs_client(settings, wait_seconds=FIRST_SECONDS),
        queue=destination.queue,
        name=destination.sink,
    )


def find_queue(settings: SqsSettings, destination: SqsDestination) -> DeadLetterQueue | None:
    """The dead letter queue of a queue, where it has one. Raises SinkUnavailable and SettingsError."""
    try:
        from core.sinks.dead_letter_queue import find_dead_letter_queue  # noqa: PLC0415 - as above
        from core.sinks.sqs_client import sqs_client  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("sqs.queue is set, but boto3 is not installed", 'pip install "rtp[aws]"') from error
    return find_dead_letter_queue(sqs_client(settings), destination.queue, named=destination.dead_letter_queue)


def postgres_server(settings: Settings) -> Server:
    """The database server. Raises SettingsError where no address is set."""
    own = settings.postgres
    return Server(postgres_dsn(settings), own.connect_timeout_seconds, own.answer_timeout_seconds)


def build_pipeline(settings: Settings, *, on_problem: Callable[[str], None]) -> Pipeline:
    """Everything `rtp run` runs, not yet started."""

    def circuit(service: str) -> CircuitBreaker:
        return CircuitBreaker(service, settings.run.circuit_breaker, on_problem=on_problem)

    server, terms, postgres = postgres_server(settings), Terms(), circuit("PostgreSQL")
    sinks = build_sinks(settings)
    services = {service: circuit(service) for service in dict.fromkeys(sink.service for sink in sinks)}
    wakeup = WakeUp(server, settings.run, postgres, terms)
    backoff = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds)
    routes, destinations = Routes(settings), {one.sink: one for one in sqs_destinations(settings)}
    forwarding = Forwarding(
        server,
        {sink: partial(find_queue, settings.sqs, destination) for sink, destination in destinations.items()},
        backoff,
        terms,
        log_circuit=postgres,
        sqs_circuit=services.get("SQS"),
        on_problem=on_problem,
    )
    shared = SharedEvents(source=settings.source, sinks=len(sinks))
    deliveries = [
        Delivery(
            sink,
            LogReader(server, sink.name, starts_at_latest=_starts_at_latest(destinations.get(sink.name))),
            wakeup,
            backoff,
            terms,
            shared=shared,
            max_attempts=settings.run.max_attempts,
            log_circuit=postgres,
            sink_circuit=services[sink.service],
            on_problem=on_problem,
            wants=_wants(routes, destinations.get(sink.name)),
            on_dead_letters=forwarding.wake,
        )
        for sink in sinks
    ]
    housekeeping = Housekeeping(LagAlarm(settings.log, [sink.name for sink in sinks], on_problem=on_problem))
    judging = Judging(server, wakeup, backoff, housekeeping, terms, circuit=postgres, on_problem=on_problem)
    rebuilding = freshening = None
    if url := settings.redis.url:
        rebuilding = Rebuilding(
            server,
            CacheFill(settings.redis, url=url),
            terms,
            source=settings.source,
            circuits=[postgres, services[RedisSink.service]],
            on_problem=on_problem,
        )
        freshening = Freshening(settings, terms, url=url, dsn=server.dsn, on_problem=on_problem)
    leadership = Leadership(
        server,
        terms,
        lease_seconds=settings.run.leader_lease_seconds,
        loops=[*(sink.name for sink in sinks), "wakeup", "judging", "rebuild", "letters"],
        circuit=postgres,
        on_problem=on_problem,
    )
    return Pipeline(
        deliveries,
        wakeup,
        judging,
        rebuilding,
        freshening,
        forwarding,
        leadership,
        circuits=[postgres, *services.values()],
    )


def _wants(routes: Routes, destination: SqsDestination | None) -> Callable[[LogRow], bool]:
    if destination is None or routes.takes_all(destination.queue):
        return lambda _: True
    return partial(routes.goes_to, destination.queue)


def _starts_at_latest(destination: SqsDestination | None) -> bool:
    # A route's queue is for alarms: what happened before there was one is none.
    return destination is not None and not destination.is_default
