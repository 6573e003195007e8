"""`rtp notify` put together, as the settings say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from core.notify.acknowledgement.acknowledgements import Acknowledgements
from core.notify.acknowledgement.escalation import Escalator
from core.notify.intakes.intake import Intake
from core.notify.intakes.source import queues_of
from core.notify.intakes.stream_intake import StreamIntake
from core.notify.mark import count_others, mark_of
from core.notify.notifier import Notifier
from core.notify.outbox.client import outbox_client
from core.notify.outbox.lease import Leases, new_token
from core.notify.outbox.outbox import TAKING, TELLING, Outbox
from core.notify.tellers.arrivals import ArrivalReader
from core.notify.tellers.teller import Teller
from core.services.circuit import CircuitBreaker
from core.services.recovery import Recovery
from core.sinks.sink_type import needing
from core.trouble import Troubles
from rtp_client.backoff import Backoff
from rtp_client.keys import STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import redis

    from core.errors import SinkUnavailable
    from core.notify.intakes.source import From
    from core.notify.notifier import AlertSource
    from core.notify.outcome import MessageOutcome
    from core.notify.tellers.telling import Telling
    from core.problem import Problem
    from core.settings.models import Settings

_LONGEST_BLOCK_MS = 250
_RECEIVERS = 2


class _Builder:
    """What the parts have in common."""

    def __init__(self, settings: Settings, on_problem: Callable[[Problem], None]) -> None:
        self.settings = settings
        self.on_problem = on_problem
        self.mark, self.troubles = mark_of(settings.notify), Troubles()
        self.token = new_token(self.mark)
        client, self.address = outbox_client(settings)
        self.clients: list[redis.Redis] = [client]
        self.recoveries: list[Recovery] = []
        # Answers come well before the socket gives up.
        self.block_ms = min(_LONGEST_BLOCK_MS, int(settings.redis.timeout_seconds * 500))
        self._redis = CircuitBreaker("Redis", settings.run.circuit_breaker, on_problem=on_problem)

    def client(self) -> redis.Redis:
        """One that others' waiting does not hold up."""
        client, _ = outbox_client(self.settings)
        self.clients.append(client)
        return client

    def leases(
        self, work: str, pieces: Sequence[str], on_change: Callable[[], None], seconds: float | None = None
    ) -> Leases:
        recovery = self.recovery(self._redis, work)

        def heard(error: SinkUnavailable | None) -> None:
            if error is None:
                recovery.succeeded()
            else:
                recovery.failed(error)

        return Leases(
            self.client(),
            self.address,
            work,
            pieces,
            seconds=seconds or self.settings.run.leader_lease_seconds,
            token=self.token,
            on_change=on_change,
            on_failure=heard,
        )

    def recovery(self, circuit: CircuitBreaker, part: str) -> Recovery:
        run = self.settings.run
        backoff = Backoff(run.retry_initial_seconds, run.retry_max_seconds)
        made = Recovery(circuit, backoff, part=part, troubles=self.troubles)
        self.recoveries.append(made)
        return made

    def queue_intakes(self, queues: Sequence[str], intake: Intake) -> list[AlertSource]:
        with needing("aws", "alerts are taken from SQS"):
            from core.notify.intakes.queue_intake import QueueIntake  # noqa: PLC0415 - boto3 is an extra
            from core.services.receiving_client import receiving_client  # noqa: PLC0415
        client = receiving_client(self.settings.sqs)
        circuit = CircuitBreaker("SQS", self.settings.run.circuit_breaker, on_problem=self.on_problem)
        return [
            QueueIntake(
                queue,
                client,
                intake,
                [self.recovery(circuit, f"queue {queue}, {n}") for n in range(_RECEIVERS)],
                on_problem=self.on_problem,
            )
            for queue in queues
        ]

    def stream_intake(self, intake: Intake) -> tuple[AlertSource, Leases]:
        leases = self.leases(TAKING, [STREAM], lambda: None)
        source = StreamIntake(
            self.client(), self.address, intake, leases, block_ms=self.block_ms, on_problem=self.on_problem
        )
        return source, leases


def build_notifier(
    settings: Settings,
    tellings: Mapping[str, Telling],
    *,
    source: From | None,
    queues: Sequence[str] = (),
    on_outcome: Callable[[MessageOutcome], None],
    on_problem: Callable[[Problem], None],
    lease_seconds: float | None = None,
) -> Notifier:
    """The parts, not started yet. Without a source alerts are only told. Raises SettingsError."""
    build = _Builder(settings, on_problem)
    outbox = Outbox(build.clients[0], build.address)
    acknowledgements = Acknowledgements(build.client(), build.address)
    intake = Intake(settings.notify, outbox, acknowledgements, on_problem=on_problem)
    tellers: dict[str, Teller] = {}

    def wake_all() -> None:
        for teller in tellers.values():
            teller.wake()

    leases = build.leases(TELLING, list(tellings), wake_all, lease_seconds)
    for name, one in tellings.items():
        tellers[name] = Teller(name, outbox, leases, one, on_outcome=on_outcome, on_problem=on_problem)
    all_leases, place = [leases], "nowhere"
    sources: list[AlertSource] = []
    if any(audience.unless_acknowledged for audience in settings.notify):
        sources.append(Escalator(settings.notify, acknowledgements, outbox))
    if source == "sqs":
        names = queues_of(settings, queues)
        sources += build.queue_intakes(names, intake)
        place = f"SQS {', '.join(names)}"
    elif source == "stream":
        place = "the Redis stream"
        stream, taking = build.stream_intake(intake)
        sources.append(stream)
        all_leases.append(taking)
    return Notifier(
        tellers=tellers,
        leases=all_leases,
        sources=sources,
        arrivals=ArrivalReader(Outbox(build.client(), build.address), tellers, block_ms=build.block_ms),
        intake=intake,
        outbox=outbox,
        clients=build.clients,
        troubles=build.troubles,
        recoveries=build.recoveries,
        count_others=partial(count_others, build.clients[0], build.address, build.mark),
        place=place,
    )
