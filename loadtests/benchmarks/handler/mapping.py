"""Lambda's event source mapping of one shard of a DynamoDB stream, as AWS documents it, by a clock of its own.

With a parallelisation factor, each item's records belong to one lane, and a lane has one batch under way at a time:
records of one item stay in order, those of two items do not. AWS does not say how far one lane may be ahead of another,
how long it waits before it tries again, or whether progress renews the count of retries. Here lanes do not wait for one
another, pauses double up to a minute, and progress renews nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from loadtests.benchmarks.handler.event_filtering import passing
from loadtests.benchmarks.handler.given_up import arrival, description

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from loadtests.benchmarks.handler.mapping_parameters import MappingParameters

    Record = Mapping[str, Any]

RETENTION_SECONDS = 24 * 3600
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Killed(BaseException):
    """The end of a function's process at this moment."""


@dataclass
class SimulatedClock:
    """The time for all of a simulation, in seconds since 1970."""

    seconds: float

    def __call__(self) -> datetime:
        """The time, as rtp asks for it."""
        return _EPOCH + timedelta(seconds=self.seconds)


@dataclass
class _Batch:
    records: Sequence[Record]
    due_at: float
    retries: int = 0


@dataclass
class _Lane:
    """The records of some items. `waiting` have no batch yet; `batches` are under way, the first before the others."""

    waiting: deque[Record] = field(default_factory=deque)
    batches: deque[_Batch] = field(default_factory=deque)


@dataclass
class EventSourceMapping:
    """Hands a stream's records to a function.

    `function` takes an event and answers like a Lambda; what it raises is a function error. An invocation takes up to
    `slowest_seconds`. `on_failure` gets the description of what is given up.
    `run_all` makes the invocations that are due at one moment: one by one, or, with a pool's `map`, at once. A batch
    that is done comes once more with a chance of `repeated`: Lambda promises to hand over each at least once.
    """

    parameters: MappingParameters
    function: Callable[[dict[str, Any]], Any]
    clock: SimulatedClock
    chance: random.Random
    slowest_seconds: float = 0.05
    on_failure: Callable[[dict[str, Any]], object] = lambda _: None
    run_all: Callable[..., Iterable[Any]] = map
    tick_seconds: float = 60
    repeated: float = 0
    shard: str = "shardId-00000000000000000000-00000000"
    expired: list[Record] = field(default_factory=list)
    invocations: int = 0

    def __post_init__(self) -> None:
        self._stream = deque[Any]()
        self._passes = passing(self.parameters.patterns)
        self._lanes = [_Lane() for _ in range(self.parameters.factor)]
        self._appointments: list[tuple[float, Callable[[], object]]] = []
        self._next_tick = self.clock.seconds + self.tick_seconds

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something else happen at a moment."""
        self._appointments.append((seconds, act))
        self._appointments.sort(key=lambda one: one[0])

    def run(self, records: Sequence[Record], *, seconds_more: float = 0) -> None:
        """Hand over these records, as each arrives, until none is left; then let time pass. Each minute has a tick."""
        self._stream.extend(records)
        while (moment := self._next_moment()) is not None:
            self._go_to(moment)
            self._read()
            self._gather()
            self._invoke([lane for lane in self._lanes if self._is_due(lane)])
        self._go_to(self.clock.seconds + seconds_more)

    def _next_moment(self) -> float | None:
        """When something is to be done next; None where nothing is left."""
        moments = [lane.batches[0].due_at if lane.batches else self._full_at(lane) for lane in self._lanes]
        if self._stream:
            moments.append(arrival(self._stream[0]))
        return min((moment for moment in moments if moment is not None), default=None)

    def _full_at(self, lane: _Lane) -> float | None:
        """When what waits in a lane becomes a batch."""
        if not lane.waiting:
            return None
        is_full = len(lane.waiting) >= self.parameters.batch_records
        return self.clock.seconds if is_full else arrival(lane.waiting[0]) + self.parameters.window_seconds

    def _go_to(self, moment: float) -> None:
        while True:
            tick_is_next = not self._appointments or self._next_tick <= self._appointments[0][0]
            then = self._next_tick if tick_is_next else self._appointments[0][0]
            if then > moment:
                break
            self.clock.seconds = max(self.clock.seconds, then)
            if tick_is_next:
                self._next_tick += self.tick_seconds
                self._call({"rtp": "tick"})
            else:
                self._appointments.pop(0)[1]()
        self.clock.seconds = max(self.clock.seconds, moment)

    def _read(self) -> None:
        while self._stream and arrival(self._stream[0]) <= self.clock.seconds:
            record = self._stream.popleft()
            if self._passes(record):
                self._lanes[_item(record) % len(self._lanes)].waiting.append(record)

    def _gather(self) -> None:
        for lane in self._lanes:
            full_at = None if lane.batches else self._full_at(lane)
            if full_at is not None and full_at <= self.clock.seconds:
                count = min(len(lane.waiting), self.parameters.batch_records)
                records = [lane.waiting.popleft() for _ in range(count)]
                lane.batches.append(_Batch(records, self.clock.seconds + self.chance.random() * self.slowest_seconds))

    def _is_due(self, lane: _Lane) -> bool:
        """Whether its first batch is to be sent now, without what has become too old."""
        if not lane.batches or lane.batches[0].due_at > self.clock.seconds:
            return False
        batch = lane.batches[0]
        batch.records = self._without_the_old(batch)
        if not batch.records:
            lane.batches.popleft()
        return bool(batch.records)

    def _invoke(self, due: Sequence[_Lane]) -> None:
        events = [{"Records": list(lane.batches[0].records)} for lane in due]
        for lane, answer in zip(due, self.run_all(self._call, events), strict=True):
            batch = lane.batches.popleft()
            left = self._left(batch.records, answer)
            if not left and self.chance.random() < self.repeated:
                lane.batches.appendleft(self._later(batch.records, batch.retries))
            elif left:
                self._try_again(lane, batch, left, is_error=answer is None)

    def _try_again(self, lane: _Lane, batch: _Batch, left: Sequence[Record], *, is_error: bool) -> None:
        if is_error and self.parameters.bisects and len(left) > 1:  # which is no retry
            half = len(left) // 2
            lane.batches.extendleft(self._later(part, batch.retries) for part in (left[half:], left[:half]))
        elif self.parameters.most_retries is not None and batch.retries >= self.parameters.most_retries:
            self._give_up(left, "RetryAttemptsExhausted", batch.retries + 1)
        else:
            lane.batches.appendleft(self._later(left, batch.retries + 1))

    def _later(self, records: Sequence[Record], retries: int) -> _Batch:
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** min(retries, 30), _LONGEST_PAUSE_SECONDS)
        return _Batch(records, self.clock.seconds + pause, retries)

    def _without_the_old(self, batch: _Batch) -> Sequence[Record]:
        """What is young enough to be sent. The rest is given up; what the stream itself has dropped, without a word."""
        now, oldest = self.clock.seconds, self.parameters.oldest_seconds
        gone = [record for record in batch.records if now - arrival(record) > RETENTION_SECONDS]
        kept = batch.records[len(gone) :]
        old = [record for record in kept if oldest is not None and now - arrival(record) > oldest]
        self.expired += gone
        if old:
            self._give_up(old, "RecordAgeExceeded", batch.retries)
        return kept[len(old) :]

    def _call(self, event: dict[str, Any]) -> Any:
        """The function's answer; None where it ended with an error."""
        self.invocations += 1
        try:
            return self.function(json.loads(json.dumps(event)))
        except (Exception, Killed):  # noqa: BLE001 - to Lambda, whatever a function raises is an error of its own
            return None

    def _left(self, records: Sequence[Record], answer: Any) -> Sequence[Record]:
        """The records that must come again: all from the lowest number that the function names."""
        if answer is None:
            return records
        if not self.parameters.reports_failures or not answer or not answer.get("batchItemFailures"):
            return ()
        named = [failure.get("itemIdentifier") for failure in answer["batchItemFailures"]]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        if not all(number in numbers for number in named):
            return records
        return records[min(numbers.index(number) for number in named) :]

    def _give_up(self, records: Sequence[Record], condition: str, tries: int) -> None:
        self.on_failure(description(records, self.shard, condition=condition, tries=tries, at=self.clock()))


def _item(record: Record) -> int:
    keys = json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2s(keys, digest_size=4).digest())
