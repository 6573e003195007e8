"""From settings to a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.arming.loop import ArmingLoop
from core.arming.rearming import Rearming
from core.cache.fill import CacheFill
from core.cache.rebuild import CacheRebuilder
from core.cache.refresh import CacheRefresher
from core.judging.loop import JudgeLoop
from core.leading.election import Election
from core.leading.epoch import Epochs
from core.letters.dlq_copier import DlqCopier, QueueBehind
from core.log.lag import LagAlarm
from core.log.reader import LogReader
from core.processor.delivery import Delivery
from core.processor.housekeeping import Housekeeping
from core.processor.pipeline import Pipeline
from core.processor.wakeup import WakeUp
from core.services.circuit import CircuitBreaker
from core.services.postgres import DatabaseServer
from core.services.recovery import Recovery
from core.settings.models import postgres_dsn
from core.sinks.redis import RedisSink
from core.sinks.registry import build_sinks, destinations
from core.trouble import Troubles
from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.arming.rearming import Rearm
    from core.problem import Problem
    from core.settings.models import Settings


_POSTGRES = "PostgreSQL"


def postgres_server(settings: Settings) -> DatabaseServer:
    """The database server. Raises SettingsError where no address is set."""
    own = settings.postgres
    return DatabaseServer(postgres_dsn(settings), own.connect_timeout_seconds, own.answer_timeout_seconds)


def build_pipeline(
    settings: Settings, *, on_problem: Callable[[Problem], None], rearm: Rearm | None = None
) -> Pipeline:
    """Everything `rtp run` runs, not yet started. `rearm` is used where the settings ask for it (triggers.rearm)."""
    sinks, asked_for = build_sinks(settings), destinations(settings)
    circuits = {
        service: CircuitBreaker(service, settings.run.circuit_breaker, on_problem=on_problem)
        for service in (_POSTGRES, *(sink.service for sink in sinks.values()))
    }
    backoff, troubles = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds), Troubles()

    recoveries: list[Recovery] = []

    def recovery(part: str, service: str = _POSTGRES) -> Recovery:
        recoveries.append(Recovery(circuits[service], backoff, part=part, troubles=troubles))
        return recoveries[-1]

    server, epochs = postgres_server(settings), Epochs()
    wakeup = WakeUp(server, settings.run, epochs, recovery=recovery("wakeup"), on_problem=on_problem)
    queues = {
        one.sink: QueueBehind(
            one.find_dead_letter_queue, recovery(f"dlq_copier of {one.sink}", sinks[one.sink].service)
        )
        for one in asked_for
        if one.find_dead_letter_queue is not None
    }
    dlq_copier = DlqCopier(server, queues, epochs, log=recovery("dlq_copier"), on_problem=on_problem)
    deliveries = [
        Delivery(
            sinks[one.sink],
            LogReader(server, one.sink, starts_at_latest=one.starts_at_latest),
            wakeup,
            epochs,
            source=settings.source,
            max_attempts=settings.run.max_attempts,
            log=recovery(one.sink),
            service=recovery(one.sink, sinks[one.sink].service),
            on_problem=on_problem,
            wants=one.takes,
            on_dead_letters=dlq_copier.wake,
        )
        for one in asked_for
    ]
    housekeeping = Housekeeping(LagAlarm(settings.log, list(sinks), on_problem=on_problem))
    cache_rebuilder = cache_refresher = None
    if url := settings.redis.url:
        used = [circuits[_POSTGRES], circuits[RedisSink.service]]
        cache_rebuilder = CacheRebuilder(
            server,
            CacheFill(settings.redis, url=url),
            epochs,
            source=settings.source,
            circuits=used,
            troubles=troubles,
            on_problem=on_problem,
        )
        cache_refresher = CacheRefresher(
            settings,
            epochs,
            url=url,
            dsn=server.dsn,
            circuits=used,
            troubles=troubles,
            on_problem=on_problem,
        )
    return Pipeline(
        deliveries=deliveries,
        wakeup=wakeup,
        judge=JudgeLoop(
            server,
            wakeup,
            epochs,
            chores=housekeeping.do_what_is_due,
            recovery=recovery("judge"),
            on_problem=on_problem,
        ),
        housekeeping=housekeeping,
        dlq_copier=dlq_copier,
        arming=ArmingLoop(
            server,
            epochs,
            recovery=recovery("arming"),
            on_problem=on_problem,
            rearming=Rearming(server, rearm, on_problem) if rearm and settings.triggers.rearm else None,
        ),
        cache_rebuilder=cache_rebuilder,
        cache_refresher=cache_refresher,
        election=Election(
            server,
            epochs,
            lease_seconds=settings.run.leader_lease_seconds,
            recovery=recovery("election"),
            on_problem=on_problem,
        ),
        circuits=list(circuits.values()),
        troubles=troubles,
        recoveries=recoveries,
    )
