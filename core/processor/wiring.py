"""From settings to a pipeline: the only file that names concrete sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.processor.circuit import CircuitBreaker
from core.processor.delivery import Delivery
from core.processor.housekeeping import Housekeeping
from core.processor.judging import Judging
from core.processor.lag import LagAlarm
from core.processor.log import LogReader
from core.processor.pipeline import Pipeline
from core.processor.rebuilding import Rebuilding
from core.processor.wakeup import WakeUp
from core.retry import Backoff
from core.settings.models import postgres_dsn
from core.sinks.cache_fill import CacheFill
from core.sinks.redis import RedisSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.settings.models import Settings, SqsSettings
    from core.sinks import Sink


def build_sinks(settings: Settings) -> list[Sink]:
    """The sinks that the settings ask for. Raises SettingsError where one lacks its address."""
    sinks: list[Sink] = []
    if settings.redis.url:
        poll_seconds = settings.run.poll_interval_ms / 1000
        sinks.append(RedisSink(settings.redis, url=settings.redis.url, poll_interval_seconds=poll_seconds))
    if settings.sqs.queue:
        sinks.append(_sqs_sink(settings.sqs))
    if not sinks:
        raise SettingsError(
            "there is no sink: neither redis.url nor sqs.queue is set",
            "Set RTP_REDIS_URL, RTP_SQS_QUEUE, or the keys in the YAML file",
        )
    return sinks


def _sqs_sink(settings: SqsSettings) -> Sink:
    try:
        from core.sinks.sqs import SqsSink, sqs_client  # noqa: PLC0415 - boto3 is an extra: only who uses SQS needs it
    except ImportError as error:
        raise SettingsError("sqs.queue is set, but boto3 is not installed", 'pip install "rtp[aws]"') from error
    return SqsSink(settings, sqs_client(settings))


def build_pipeline(settings: Settings, *, on_problem: Callable[[str], None]) -> Pipeline:
    """Everything `rtp run` runs, not yet started."""
    dsn, timeout = postgres_dsn(settings), settings.postgres.connect_timeout_seconds
    answer_seconds = settings.postgres.answer_timeout_seconds

    def circuit(service: str) -> CircuitBreaker:
        return CircuitBreaker(service, settings.run.circuit_breaker, on_problem=on_problem)

    postgres = circuit("PostgreSQL")
    sinks = [(sink, circuit(sink.service)) for sink in build_sinks(settings)]
    wakeup = WakeUp(dsn, settings.run, postgres, timeout_seconds=timeout, answer_seconds=answer_seconds)
    backoff = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds)
    deliveries = [
        Delivery(
            sink,
            LogReader(dsn, sink.name, timeout_seconds=timeout, answer_seconds=answer_seconds),
            wakeup,
            backoff,
            source=settings.source,
            max_attempts=settings.run.max_attempts,
            log_circuit=postgres,
            sink_circuit=sink_circuit,
            on_problem=on_problem,
        )
        for sink, sink_circuit in sinks
    ]
    housekeeping = Housekeeping(LagAlarm(settings.log, [sink.name for sink, _ in sinks], on_problem=on_problem))
    judging = Judging(
        dsn,
        wakeup,
        backoff,
        housekeeping,
        timeout_seconds=timeout,
        answer_seconds=answer_seconds,
        circuit=postgres,
        on_problem=on_problem,
    )
    circuits = [postgres, *(breaker for _, breaker in sinks)]
    rebuilding = None
    if settings.redis.url:
        rebuilding = Rebuilding(
            dsn,
            CacheFill(settings.redis, url=settings.redis.url),
            source=settings.source,
            timeout_seconds=timeout,
            answer_seconds=answer_seconds,
            circuits=[circuit for circuit in circuits if circuit.service in (postgres.service, RedisSink.service)],
            on_problem=on_problem,
        )
    return Pipeline(deliveries, wakeup, judging, rebuilding, circuits=circuits)
