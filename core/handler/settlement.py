"""Settling changes: they are judged, remembered and published in one step, and then sent as alerts.

A record is done once Redis has what came of it: its events wait there until each of their queues has them. A crash, a
time-out or an outage may end settling half-way. Then the same records come again, and those that were judged are passed
over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from core.errors import EventRejected
from core.handler.baselines import BaselineMove, FormerMove
from core.handler.current import current_of
from core.handler.decider import Decider
from core.handler.decision import entities
from core.handler.markets import StreamMarkets
from core.handler.memory import Memory
from core.handler.ordering import waits_of
from core.handler.rename import Former, former_keys
from core.letters.stream_letters import StreamLetter
from core.log.rows import event_called
from core.problem import counted
from core.redis_names import baseline_key
from rtp_client.backoff import Backoff
from rtp_client.keys import cache_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.detection.detector import Key
    from core.handler.alerts import Alerts
    from core.handler.baselines import Baselines
    from core.handler.change import Change
    from core.handler.decision import Decision
    from core.handler.outcome import BatchOutcome
    from core.handler.recollection import Recollection
    from core.settings.models import Settings
    from rtp_client.event import Event

_EVER = datetime.min.replace(tzinfo=UTC)
_MOST_CONFLICTS = 20
_AFTER_CONFLICT = Backoff(0.002, 0.1)
"""Ten Lambdas may move one history's entity at once: who waits at random seldom meets another twice."""


@dataclass
class _Unsent:
    """The baselines of a batch with alerts: new ones, and those that had some waiting before."""

    fresh: dict[str, Sequence[Event]] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)


class Settlement:
    """Settles changes. `alerts` None: no alerts. `bury` takes a dead letter, or raises SinkUnavailable."""

    def __init__(
        self,
        settings: Settings,
        baselines: Baselines,
        alerts: Alerts | None,
        recollection: Recollection,
        *,
        bury: Callable[[StreamLetter], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._decider = Decider(settings.watches, waits_of(settings))
        self._recollection = recollection
        self._watches = settings.watches
        self._source = settings.source
        self._baselines = baselines
        self._alerts = alerts
        self._bury = bury
        self._clock = clock
        self._markets = StreamMarkets(settings, baselines, self._decider, alerts_among=self._alerts_among)

    def settle(self, changes: Sequence[Change], outcome: BatchOutcome) -> set[int]:
        """Judge, commit and alert. Returns the places of the records that must come again. Raises SinkUnavailable."""
        unsent, failed = _Unsent(), set[int]()
        for portion in _portions(changes):
            failed = self._settle(portion, unsent, outcome)
            if failed:
                # What follows may be about who could not be moved: it comes again, too, as its records are later ones.
                break
        if self._alerts is not None and (unsent.fresh or unsent.behind):
            outcome.add_alerts(self._alerts.send(unsent.fresh, unsent.behind))
        return failed

    def _settle(self, changes: Sequence[Change], unsent: _Unsent, outcome: BatchOutcome) -> set[int]:
        """Settle changes of which each is about one name."""
        waiting = groups = entities(changes)
        for attempt in range(_MOST_CONFLICTS):
            if not waiting:
                break
            if attempt:
                time.sleep(_AFTER_CONFLICT.wait_seconds(attempt))
            waiting = self._try(waiting, unsent, outcome)
        if waiting:
            outcome.causes.append(f"{counted(len(waiting), 'entity', 'entities')} kept being moved by somebody else")
        return {groups[name][0].record for name in waiting}

    def _try(
        self, groups: Mapping[tuple[str, Key], list[Change]], unsent: _Unsent, outcome: BatchOutcome
    ) -> dict[tuple[str, Key], list[Change]]:
        """Try to move every entity's baseline. Returns the changes of entities that somebody else moved meanwhile."""
        keys = [baseline_key(watch, *key) for watch, key in groups]
        loaded = self._load(keys)
        formers = self._formers(groups, loaded, outcome)
        memories = [
            # Nothing of before is looked for where a former name knows it.
            memory if former and not memory.version else self._recollection.recall(memory, group, outcome)
            for memory, group, former in zip(loaded, groups.values(), formers, strict=True)
        ]
        now = self._clock()
        decisions = [
            self._decider.decide(memory, group, now=now, former=former)
            for memory, group, former in zip(memories, groups.values(), formers, strict=True)
        ]
        left = (
            self._settle_markets(list(groups), decisions, now, unsent, outcome) if self._markets.are_watched else set()
        )
        moves = [
            self._move(name, memory, decision, events, former)
            for name, memory, decision, events, former in zip(
                groups, memories, decisions, self._events(decisions, now, outcome), formers, strict=True
            )
        ]
        changed = [index for index, decision in enumerate(decisions) if decision.has_changed and index not in left]
        taken = dict(zip(changed, self._baselines.commit([moves[index] for index in changed], at=now), strict=True))
        again: dict[tuple[str, Key], list[Change]] = {}
        for index, (name, group) in enumerate(groups.items()):
            if index in left or not taken.get(index, True):
                again[name] = group
                outcome.notes["conflict"] += 1
                continue
            move = moves[index]
            outcome.notes.update(decisions[index].notes)
            for change, why in decisions[index].set_aside:
                outcome.put_aside(change, why)
            _note_sent(move, unsent, outcome)
        return again

    def _settle_markets(
        self,
        names: Sequence[tuple[str, Key]],
        decisions: list[Decision],
        now: datetime,
        unsent: _Unsent,
        outcome: BatchOutcome,
    ) -> set[int]:
        """Move what is remembered of whole watches, and mark the decisions that are part of a market-wide move.

        Returns the places of those that must wait, as somebody else has moved their watch's memory meanwhile.
        """
        found = self._markets.judge(names, decisions, now)
        left: set[int] = set()
        for one, is_taken in zip(found, self._baselines.commit([one.move for one in found], at=now), strict=True):
            if is_taken:
                _note_sent(one.move, unsent, outcome)
                for index, decision in one.decisions.items():
                    decisions[index] = decision
            else:
                left |= one.decisions.keys()
        return left

    def _load(self, keys: Sequence[str]) -> list[Memory]:
        memories = self._baselines.load(keys)
        if self._alerts is None or not self._baselines.has_earlier_alerts:
            return memories
        self._alerts.carry_over()
        return self._baselines.load(keys)

    def _formers(
        self, groups: Mapping[tuple[str, Key], list[Change]], memories: Sequence[Memory], outcome: BatchOutcome
    ) -> list[Former | None]:
        """For each entity what is remembered under another name, where it may be."""
        wanted = {
            index: former_keys(self._watches[watch], key) if group[0].former is None else [group[0].former]
            for index, ((watch, key), group) in enumerate(groups.items())
            if group[0].former is not None
            or (not memories[index].version and self._watches[watch].has_value and self._watches[watch].has_aliases)
        }
        found: list[Former | None] = [None] * len(groups)
        names = list(groups)
        for index, keys in wanted.items():
            watch, group = names[index][0], groups[names[index]]
            known = zip(keys, self._load([baseline_key(watch, *key) for key in keys]), strict=True)
            formers = [Former(*one) for one in known if one[1].state is not None or group[0].former is not None]
            if newest := max(formers, key=_known_until, default=None):
                asked = [replace(change, key=newest.key) for change in group]
                found[index] = Former(newest.key, self._recollection.recall(newest.memory, asked, outcome))
        return found

    def _move(
        self,
        name: tuple[str, Key],
        memory: Memory,
        decision: Decision,
        events: Sequence[Event],
        former: Former | None,
    ) -> BaselineMove:
        watch, key = name
        kind, left = self._watches[watch].kind, decision.left
        return BaselineMove(
            baseline_key(watch, *key),
            memory,
            Memory(memory.version + 1, decision.state, decision.lanes, waiting=decision.waiting),
            events,
            decision.due_at,
            self._alerts_among(events),
            current_of(kind, key, memory, decision, events),
            FormerMove(baseline_key(watch, *former.key), cache_key(kind, *former.key), left)
            if former and left
            else None,
        )

    def _alerts_among(self, events: Sequence[Event]) -> dict[str, list[int]]:
        """The places of the events that belong in each queue."""
        found: dict[str, list[int]] = {}
        if self._alerts is not None:
            for place, event in enumerate(events):
                for queue in self._alerts.queues_of(event):
                    found.setdefault(queue, []).append(place)
        return found

    def _events(self, decisions: Sequence[Decision], now: datetime, outcome: BatchOutcome) -> list[list[Event]]:
        """Each entity's events, with sequences in the order of the records.

        An invalid event is buried here, before its record counts as judged. Raises SinkUnavailable.
        """
        raised = [(one.change.record, index, one) for index, found in enumerate(decisions) for one in found.raised]
        raised.sort(key=lambda one: one[0])
        events: list[list[Event]] = [[] for _ in decisions]
        first = self._baselines.reserve(len(raised)) if raised else 0
        for offset, (_, index, one) in enumerate(raised):
            row = self._decider.row(one, sequence=first + offset, detected_at=now)
            try:
                events[index].append(
                    event_called(one.change.event_id, row, source=self._source, deletedby=one.deletedby)
                )
            except EventRejected as error:
                letter = StreamLetter(str(error), record={"row": row._asdict()})
                self._bury(letter)
                outcome.dead_letters.append(letter)
        return events


def _portions(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """The changes in portions: one that gives an entity another name is about two, and stands alone."""
    for is_alone, found in groupby(changes, key=lambda change: change.former is not None):
        portion = list(found)
        yield from ([change] for change in portion) if is_alone else [portion]


def _known_until(former: Former) -> datetime:
    return _EVER if former.memory.state is None else former.memory.state.sample_at


def _note_sent(move: BaselineMove, unsent: _Unsent, outcome: BatchOutcome) -> None:
    outcome.events.extend(move.events)
    if move.was.unsent:
        unsent.behind.add(move.key)
    elif move.alerts:
        unsent.fresh[move.key] = move.events
