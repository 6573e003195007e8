"""One batch of stream records from end to end: read, judge, remember and publish in one step, alert.

Whatever ends a batch half-way, a crash, a time-out, a service that is away: the same records come again, and the
outcome is the same: a record that was judged is passed over, and its events wait in the baseline until SQS has them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.errors import EventRejected, SettingsError, SinkUnavailable
from core.event_row import event_called
from core.handler.alerts import read_events
from core.handler.baselines import Step
from core.handler.change import Change
from core.handler.dead_letters import DeadLetter
from core.handler.decision import Decider, entities
from core.handler.images import table_of, watched_tables
from core.handler.memory import Memory, microseconds
from core.keys import baseline_key, baseline_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.event import Event
    from core.handler.alerts import Alerts
    from core.handler.baselines import Baselines
    from core.handler.decision import Decision
    from core.settings.models import Settings

_MOST_CONFLICTS = 20
_MOST_TICKS = 1000
_UNSENT_FOR = timedelta(seconds=30)


@dataclass
class Outcome:
    """What became of a batch.

    `failed` is the sequence number of the first record that must come again, with all that follow it; None where all
    is done. `notes` counts what was no event, and why.
    """

    failed: str | None = None
    causes: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass
class _Pending:
    """What SQS has to get: by key, the version that holds it, the events, and the first record concerned."""

    key: str
    version: int
    events: list[Event]
    record: int


class BatchProcessor:
    """Processes batches. `alerts` None: no SQS queue. `bury` takes a dead letter, or raises SinkUnavailable."""

    def __init__(
        self,
        settings: Settings,
        baselines: Baselines,
        alerts: Alerts | None,
        *,
        bury: Callable[[DeadLetter], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tables = watched_tables(settings)
        self._decider = Decider(settings.watches)
        self._source = settings.source
        self._baselines = baselines
        self._alerts = alerts
        self._bury = bury
        self._clock = clock

    def process(self, records: Sequence[Mapping[str, Any]]) -> Outcome:
        """Process records of one shard, in their order. Raises SettingsError for a table that no watch is fed by."""
        outcome = Outcome()
        changes, failed = self._read(records, outcome)
        try:
            failed |= self._settle(changes, outcome)
        except SinkUnavailable as error:
            outcome.causes.append(str(error))
            failed.add(0)
        if failed:
            outcome.failed = _sequence_number(records[min(failed)])
        return outcome

    def tick(self) -> Outcome:
        """What time alone brings about, and alerts that were left behind: to be called now and then.

        Raises SinkUnavailable without Redis.
        """
        outcome, now = Outcome(), self._clock()
        due = [baseline_owner(key) for key in self._baselines.due(now, _MOST_TICKS)]
        changes = [self._tick(watch, (chain, entity), now) for watch, chain, entity in due if self._knows(watch)]
        self._settle(changes, outcome)
        if self._alerts is not None:
            keys = self._baselines.unsent(now - _UNSENT_FOR, _MOST_TICKS)
            memories = self._baselines.load(keys)
            left = [
                _Pending(key, memory.version, read_events(memory.pending), 0)
                for key, memory in zip(keys, memories, strict=True)
                if memory.pending
            ]
            self._send(left, outcome)
        return outcome

    def _knows(self, watch: str) -> bool:
        return any(table.name == watch for tables in self._tables.values() for table in tables)

    def _tick(self, watch: str, key: tuple[str, str], now: datetime) -> Change:
        name = baseline_key(watch, *key).removeprefix("rtp:baseline:").replace(":", ".").replace("%", "_")[-60:]
        event_id = f"tick-{microseconds(now)}-{name}"
        return Change(watch, key, "tick", event_id, self._decider.tick_sample(watch, now), now)

    def _read(self, records: Sequence[Mapping[str, Any]], outcome: Outcome) -> tuple[list[Change], set[int]]:
        """The records' changes, and which records must come again because nobody took their dead letter."""
        changes: list[Change] = []
        failed: set[int] = set()
        for index, record in enumerate(records):
            tables = self._tables.get(table_of(record))
            if tables is None:
                raise SettingsError(
                    f"table {table_of(record)!r} feeds no watch", "Name it under dynamodb.tables, or stop its stream"
                )
            for table in tables:
                try:
                    changes.extend(table.changes(record, index))
                except EventRejected as error:
                    if not self._is_buried(DeadLetter(f"watch {table.name}: {error}", record=record), outcome):
                        failed.add(index)
        return changes, failed

    def _is_buried(self, letter: DeadLetter, outcome: Outcome) -> bool:
        outcome.dead_letters.append(letter)
        try:
            self._bury(letter)
        except SinkUnavailable as error:
            outcome.causes.append(f"{letter.reason}; and {error}")
            return False
        return True

    def _settle(self, changes: Sequence[Change], outcome: Outcome) -> set[int]:
        """Judge, commit and alert; the records that must come again."""
        waiting = entities(changes)
        pending: list[_Pending] = []
        for _ in range(_MOST_CONFLICTS):
            if not waiting:
                break
            waiting = self._try(waiting, pending, outcome)
        failed = {group[0].record for group in waiting.values()}
        if waiting:
            outcome.causes.append(f"{len(waiting)} entities kept being moved by somebody else")
        return failed | self._send(pending, outcome)

    def _try(
        self,
        groups: Mapping[tuple[str, tuple[str, str]], list[Change]],
        pending: list[_Pending],
        outcome: Outcome,
    ) -> dict[tuple[str, tuple[str, str]], list[Change]]:
        """One attempt to move every entity; those that somebody else has moved meanwhile."""
        keys = [baseline_key(watch, *key) for watch, key in groups]
        memories = self._baselines.load(keys)
        decisions = [
            self._decider.decide(memory, group) for memory, group in zip(memories, groups.values(), strict=True)
        ]
        now = self._clock()
        events, rejected = self._events(decisions, now)
        steps: list[Step] = []
        for key, memory, decision, own in zip(keys, memories, decisions, events, strict=True):
            documents = (*memory.pending, *(event.json_bytes.decode() for event in own)) if self._alerts else ()
            after = Memory(memory.version + 1, decision.state, decision.lanes, documents)
            steps.append(Step(key, memory, after, own, decision.due_at))
        changed = [index for index, decision in enumerate(decisions) if decision.has_changed]
        taken = dict(zip(changed, self._baselines.commit([steps[index] for index in changed], at=now), strict=True))
        again: dict[tuple[str, tuple[str, str]], list[Change]] = {}
        for index, (name, group) in enumerate(groups.items()):
            if not taken.get(index, True):
                again[name] = group
                outcome.notes["conflict"] += 1
                continue
            step, is_new = steps[index], index in taken
            outcome.notes.update(decisions[index].notes)
            outcome.events.extend(step.events)
            if step.now.pending:
                version = step.now.version if is_new else step.was.version
                known = [*read_events(step.was.pending), *step.events]
                pending.append(_Pending(step.key, version, known, group[0].record))
        for group_index, letter in rejected:
            if taken.get(group_index, True):
                self._is_buried(letter, outcome)
        return again

    def _events(
        self, decisions: Sequence[Decision], now: datetime
    ) -> tuple[list[list[Event]], list[tuple[int, DeadLetter]]]:
        """Each entity's events, with sequences in the order of the records; and what is no valid event."""
        raised = [(one.change.record, index, one) for index, found in enumerate(decisions) for one in found.raised]
        raised.sort(key=lambda one: one[0])
        events: list[list[Event]] = [[] for _ in decisions]
        rejected: list[tuple[int, DeadLetter]] = []
        first = self._baselines.reserve(len(raised)) if raised else 0
        for offset, (_, index, one) in enumerate(raised):
            row = self._decider.row(one, sequence=first + offset, detected_at=now)
            try:
                events[index].append(event_called(one.change.event_id, row, source=self._source))
            except EventRejected as error:
                rejected.append((index, DeadLetter(str(error), record={"row": row._asdict()})))
        return events, rejected

    def _send(self, pending: Sequence[_Pending], outcome: Outcome) -> set[int]:
        """Hand over what is pending; the records whose alerts SQS has not got."""
        if self._alerts is None or not pending:
            return set()
        sent = self._alerts.send([(one.key, one.version, one.events) for one in pending])
        outcome.notes["alerts refused"] += sent.dead
        if sent.unsent:
            outcome.causes.append(sent.cause)
        return {one.record for one in pending if one.key in sent.unsent}


def _sequence_number(record: Mapping[str, Any]) -> str:
    return str((record.get("dynamodb") or {}).get("SequenceNumber", ""))
