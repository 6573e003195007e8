"""The handler with a process that ends at random moments: before or behind the write to Redis, before or behind SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.handler.alert_sender import AlertSender
from core.handler.alert_store import AlertStore
from core.handler.alerts import Alerts
from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.services.sqs_client import sqs_client
from core.sinks import Sink
from core.sinks.sqs.sink import SqsSink
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from core.settings.models import Settings
    from core.sinks import Outcome
    from rtp_client.event import Event

_HOW_OFTEN = 0.15
_BATCH_SIZES = (10, 50, 100, 300)


class Crash(Exception):
    """The end of a process, at a random moment."""


class Faulty:
    """Wraps a call of Redis or SQS: sometimes the process ends before it, sometimes behind it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.crashes = 0

    def call(self, function: Any, *arguments: Any, **options: Any) -> Any:
        if self.chance.random() < _HOW_OFTEN:
            self.crashes += 1
            raise Crash
        result = function(*arguments, **options)
        if self.chance.random() < _HOW_OFTEN:
            self.crashes += 1
            raise Crash
        return result


class FaultyBaselines(Baselines):
    """Baselines whose commits may be the last thing a process does."""

    faults: Faulty

    def commit(self, moves: Any, *, at: Any) -> list[bool]:
        """Commit, perhaps; and perhaps only some of the entities, as a pipeline that is cut off would."""
        some = list(moves)
        if self.faults.chance.random() < _HOW_OFTEN / 2 and len(some) > 1:
            super().commit(some[: self.faults.chance.randrange(len(some))], at=at)
            self.faults.crashes += 1
            raise Crash
        return list(self.faults.call(super().commit, some, at=at))


class FaultyStore(AlertStore):
    """Alerts whose acknowledgement may be the last thing a process does."""

    faults: Faulty

    def acknowledge(self, queue: str, taken: Any) -> None:
        self.faults.call(super().acknowledge, queue, taken)


class FaultySink(Sink):
    """SQS, perhaps."""

    name = service = "sqs"
    address = ""
    batch_size = 100
    poll_interval_seconds = 0.0

    def __init__(self, sink: SqsSink, faults: Faulty) -> None:
        self._sink, self._faults, self.epoch = sink, faults, sink.epoch

    def open(self) -> None:
        self._sink.open()

    def close(self) -> None:
        self._sink.close()

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Send, perhaps; and perhaps only a part."""
        if self._faults.chance.random() < _HOW_OFTEN / 2:
            self._sink.deliver(events[: self._faults.chance.randrange(len(events) + 1)])
            self._faults.crashes += 1
            raise Crash
        outcome: Outcome = self._faults.call(self._sink.deliver, events)
        return outcome


def process_with_crashes(settings: Settings, records: Sequence[dict[str, Any]], chance: random.Random) -> int:
    """Send all records, each batch again from where it began, or from before; how many crashes there were."""
    faults = Faulty(chance)
    client = sqs_client(settings.sqs)
    done = 0
    while done < len(records):
        batch = records[done : done + chance.choice(_BATCH_SIZES)]
        try:
            # A crash takes all of a process's memory along: each attempt is a new processor.
            baselines = FaultyBaselines(settings.redis, url=settings.redis.url or "")
            baselines.faults = faults
            sink = FaultySink(SqsSink(settings.sqs, client), faults)
            store = FaultyStore(redis_client(settings.redis.url or ""), "Redis")
            store.faults = faults
            sender = AlertSender("alerts", sink, lambda _: True, store=store, bury=print, max_attempts=10)
            alerts = Alerts([sender], store, bury=print)
            outcome = BatchProcessor(settings, baselines, alerts, bury=print).process(batch)
        except Crash:
            continue
        if outcome.failed is None:
            done += len(batch)
            if chance.random() < 0.05:  # the checkpoint was lost: some come once more
                done = max(0, done - chance.randrange(400))
    return faults.crashes
