"""From settings to a pipeline: the only file that names concrete sinks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core.cache.fill import CacheFill
from core.cache.rebuilder import CacheRebuilder
from core.cache.refresher import CacheRefresher
from core.errors import SettingsError
from core.leading.election import Election
from core.leading.epoch import Epochs
from core.letters.dlq_copier import DlqCopier
from core.log.lag import LagAlarm
from core.log.reader import LogReader
from core.processor.deferred_judge import DeferredJudge
from core.processor.delivery import Delivery
from core.processor.housekeeping import Housekeeping
from core.processor.pipeline import Pipeline
from core.processor.shared_events import SharedEvents
from core.processor.wakeup import WakeUp
from core.routes.matching import Routes, sqs_destinations
from core.services.answer_timeout import FIRST_SECONDS
from core.services.backoff import Backoff
from core.services.circuit import CircuitBreaker
from core.services.postgres import Server
from core.services.recovery import Recovery
from core.settings.models import postgres_dsn
from core.sinks.redis import RedisSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.letters.dead_letter_queue import DeadLetterQueue
    from core.log.rows import LogRow
    from core.problem import Problem
    from core.routes.matching import SqsDestination
    from core.settings.models import Settings, SqsSettings
    from core.sinks import Sink


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
        from core.services.sqs_client import sqs_client  # noqa: PLC0415
        from core.sinks.sqs import SqsSink  # noqa: PLC0415
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
        from core.letters.dead_letter_queue import find_dead_letter_queue  # noqa: PLC0415 - as above
        from core.services.sqs_client import sqs_client  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("sqs.queue is set, but boto3 is not installed", 'pip install "rtp[aws]"') from error
    return find_dead_letter_queue(sqs_client(settings), destination.queue, named=destination.dead_letter_queue)


def postgres_server(settings: Settings) -> Server:
    """The database server. Raises SettingsError where no address is set."""
    own = settings.postgres
    return Server(postgres_dsn(settings), own.connect_timeout_seconds, own.answer_timeout_seconds)


def build_pipeline(settings: Settings, *, on_problem: Callable[[Problem], None]) -> Pipeline:
    """Everything `rtp run` runs, not yet started."""

    def circuit(service: str) -> CircuitBreaker:
        return CircuitBreaker(service, settings.run.circuit_breaker, on_problem=on_problem)

    server, epochs, postgres = postgres_server(settings), Epochs(), circuit("PostgreSQL")
    sinks = build_sinks(settings)
    services = {service: circuit(service) for service in dict.fromkeys(sink.service for sink in sinks)}
    backoff = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds)
    wakeup = WakeUp(server, settings.run, epochs, recovery=Recovery(postgres, backoff))
    routes, destinations = Routes(settings), {one.sink: one for one in sqs_destinations(settings)}
    forwarding = DlqCopier(
        server,
        {sink: partial(find_queue, settings.sqs, destination) for sink, destination in destinations.items()},
        backoff,
        epochs,
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
            epochs,
            shared=shared,
            max_attempts=settings.run.max_attempts,
            log=Recovery(postgres, backoff),
            service=Recovery(services[sink.service], backoff),
            on_problem=on_problem,
            wants=_wants(routes, destinations.get(sink.name)),
            on_dead_letters=forwarding.wake,
        )
        for sink in sinks
    ]
    housekeeping = Housekeeping(LagAlarm(settings.log, [sink.name for sink in sinks], on_problem=on_problem))
    judging = DeferredJudge(
        server, wakeup, housekeeping, epochs, recovery=Recovery(postgres, backoff), on_problem=on_problem
    )
    rebuilding = freshening = None
    if url := settings.redis.url:
        rebuilding = CacheRebuilder(
            server,
            CacheFill(settings.redis, url=url),
            epochs,
            source=settings.source,
            circuits=[postgres, services[RedisSink.service]],
            on_problem=on_problem,
        )
        freshening = CacheRefresher(settings, epochs, url=url, dsn=server.dsn, on_problem=on_problem)
    leadership = Election(
        server,
        epochs,
        lease_seconds=settings.run.leader_lease_seconds,
        loops=[*(sink.name for sink in sinks), "wakeup", "judging", "rebuild", "letters"],
        recovery=Recovery(postgres, backoff),
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
