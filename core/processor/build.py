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
from core.processor.precedence import Precedence
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
    from collections.abc import Callable, Iterable, Mapping

    from core.arming.rearming import Rearm
    from core.problem import Problem
    from core.settings.models import Settings
    from core.sinks import Sink
    from core.sinks.sink_type import Destination


_POSTGRES = "PostgreSQL"


def postgres_server(settings: Settings) -> DatabaseServer:
    """The database server. Raises SettingsError where no address is set."""
    own = settings.postgres
    return DatabaseServer(postgres_dsn(settings), own.connect_timeout_seconds, own.answer_timeout_seconds)


class _Shared:
    """What all loops have in common: the servers, how each comes back to them, and who of them goes first."""

    def __init__(self, settings: Settings, services: Iterable[str], on_problem: Callable[[Problem], None]) -> None:
        self.settings = settings
        self.on_problem = on_problem
        self.server, self.epochs = postgres_server(settings), Epochs()
        self.circuits = {
            service: CircuitBreaker(service, settings.run.circuit_breaker, on_problem=on_problem)
            for service in (_POSTGRES, *services)
        }
        self.precedence = Precedence()
        self.troubles = Troubles()
        self.recoveries: list[Recovery] = []
        self._backoff = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds)

    def recovery(self, part: str, service: str = _POSTGRES) -> Recovery:
        """One for a loop of that name, or for a sink's loop and its service."""
        made = Recovery(self.circuits[service], self._backoff, part=part, troubles=self.troubles)
        self.recoveries.append(made)
        return made


def build_pipeline(
    settings: Settings, *, on_problem: Callable[[Problem], None], rearm: Rearm | None = None
) -> Pipeline:
    """Everything `rtp run` runs, not yet started. `rearm` is used where the settings ask for it (triggers.rearm)."""
    sinks, asked_for = build_sinks(settings), destinations(settings)
    shared = _Shared(settings, (sink.service for sink in sinks.values()), on_problem)
    server, epochs, recovery = shared.server, shared.epochs, shared.recovery
    wakeup = WakeUp(server, settings.run, epochs, recovery=recovery("wakeup"), on_problem=on_problem)
    dlq_copier = _dlq_copier(shared, sinks, asked_for)
    housekeeping = Housekeeping(LagAlarm(settings.log, list(sinks), on_problem=on_problem))
    cache_rebuilder, cache_refresher = _cache_keepers(shared)
    return Pipeline(
        deliveries=[_delivery(shared, one, sinks[one.sink], wakeup, dlq_copier) for one in asked_for],
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
            declared=settings.watches,
            troubles=shared.troubles,
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
        circuits=list(shared.circuits.values()),
        troubles=shared.troubles,
        recoveries=shared.recoveries,
    )


def _dlq_copier(shared: _Shared, sinks: Mapping[str, Sink], asked_for: Iterable[Destination]) -> DlqCopier:
    queues = {
        one.sink: QueueBehind(
            one.find_dead_letter_queue, shared.recovery(f"dlq_copier of {one.sink}", sinks[one.sink].service)
        )
        for one in asked_for
        if one.find_dead_letter_queue is not None
    }
    return DlqCopier(
        shared.server, queues, shared.epochs, log=shared.recovery("dlq_copier"), on_problem=shared.on_problem
    )


def _delivery(shared: _Shared, one: Destination, sink: Sink, wakeup: WakeUp, dlq_copier: DlqCopier) -> Delivery:
    return Delivery(
        sink,
        LogReader(shared.server, one.sink, starts_at_latest=one.starts_at_latest),
        wakeup,
        shared.epochs,
        source=shared.settings.source,
        max_attempts=shared.settings.run.max_attempts,
        log=shared.recovery(one.sink),
        service=shared.recovery(one.sink, sink.service),
        on_problem=shared.on_problem,
        wants=one.takes,
        on_dead_letters=dlq_copier.wake,
        precedence=shared.precedence,
    )


def _cache_keepers(shared: _Shared) -> tuple[CacheRebuilder, CacheRefresher] | tuple[None, None]:
    """None of them without Redis, where the cache is."""
    settings, url = shared.settings, shared.settings.redis.url
    if not url:
        return None, None
    used = [shared.circuits[_POSTGRES], shared.circuits[RedisSink.service]]
    rebuilder = CacheRebuilder(
        shared.server,
        CacheFill(settings.redis, url=url),
        shared.epochs,
        source=settings.source,
        circuits=used,
        troubles=shared.troubles,
        on_problem=shared.on_problem,
    )
    refresher = CacheRefresher(
        settings,
        shared.epochs,
        url=url,
        dsn=shared.server.dsn,
        circuits=used,
        troubles=shared.troubles,
        on_problem=shared.on_problem,
    )
    return rebuilder, refresher
