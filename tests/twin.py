"""The Python side of a comparison: the detector's pure function, and what it tells of each entity."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from core.detection.detector import Detector, Key
from core.detection.due import due_at
from core.detection.judge import tick
from core.detection.renamed import renamed
from core.detection.report import Report, amount_text
from core.detection.state import Sample
from core.detection.testimony import UNSAID
from core.log.reader import LogReader
from core.processor.build import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    import psycopg

    from core.detection.state import EntityState, Judgement
    from core.settings.models import Settings
    from core.settings.watches import ValueWatch

Told = tuple[str | None, ...]
"""An event without what only a clock knows."""
Waiting: TypeAlias = "tuple[Key, Sample | Mapping[Key, Key] | None]"
"""An entity's sample, entities that have others' names now (of no entity), or None: the entity is gone."""
DURATION = -1
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_GUARD_NOTES = frozenset({"quarantined", "confirmed", "dismissed", "released"})


class Twin:
    """Judges an entity's samples one by one, and writes down what becomes of them."""

    def __init__(self, watch: ValueWatch) -> None:
        self.watch = watch
        self.detector = Detector(watch)
        self.told: dict[Key, list[Told]] = defaultdict(list)
        self.quarantine: dict[Key, list[Told]] = defaultdict(list)

    def change_rules(self, watch: ValueWatch) -> None:
        """Go on by the rules of another watch of the same table; a trigger that judges by itself has no quarantine."""
        self.watch = watch
        self.detector = Detector(watch, states=self.detector.states)
        if not watch.is_sampled:
            for key, state in self.detector.states.items():
                self.detector.states[key] = replace(
                    state, suspect_value=None, suspect_since=None, suspect_count=0, suspect_testimony=UNSAID
                )

    def judge(self, key: Key, sample: Sample) -> None:
        before = self.detector.states.get(key)
        judgement = self.detector.judge(key, sample)
        suspect = None if before is None else before.suspect_value
        self._note(key, before, judgement, suspect if judgement.note == "dismissed" else sample.value)

    def delete(self, key: Key) -> None:
        report = self.detector.delete(*key)
        if report is not None:
            self.told[key].append(_as_told(report, self.watch))

    def rename(self, names: Mapping[Key, Key]) -> None:
        """Have some entities others' names, all at once."""
        states = self.detector.states
        taken = {now: (before, states.pop(before)) for before, now in names.items() if before in states}
        states.update({now: state for now, (_, state) in taken.items()})
        for now, (before, state) in taken.items():
            report = renamed(state.value, before, is_taken=before in names.values())
            self.told[now].append(_as_told(report, self.watch))

    def tick(self, at: datetime) -> None:
        """Let time alone judge, at one moment."""
        for key, state in self.detector.states.items():
            rule = self.detector.rule(key)
            due = due_at(state, rule)
            if due is not None and due <= at:
                judgement = tick(state, at, rule, compare_with=self.watch.compare_with)
                self.detector.states[key] = judgement.state
                self._note(key, state, judgement, state.suspect_value)

    def _note(self, key: Key, before: EntityState | None, judgement: Judgement, value: Decimal | None) -> None:
        if judgement.report is not None:
            self.told[key].append(_as_told(judgement.report, self.watch))
        if before is not None and judgement.note in _GUARD_NOTES:
            self.quarantine[key].append((judgement.note, amount_text(before.value), amount_text(value)))


class LogTwin(Twin):
    """Judges windows of the sample log as one who may be killed: what nobody has seen of it is then done again."""

    def __init__(self, watch: ValueWatch) -> None:
        super().__init__(watch)
        self.waiting: list[Waiting] = []
        """What is committed and not judged, in the log's order."""
        self._unwritten: list[Waiting] = []
        self._written = dict(self.detector.states)

    def judge_waiting(self) -> None:
        """Judge what waits as one window: an entity's samples by their times where they have some."""
        for key, what in _in_order(self.waiting) if self.watch.is_history else self.waiting:
            if what is None:
                self.delete(key)
            elif isinstance(what, Sample):
                self.judge(key, what)
            else:
                self.rename(what)
        self._unwritten += self.waiting
        self.waiting.clear()

    def write(self) -> None:
        """From here on, a killed judge goes on."""
        self._unwritten.clear()
        self._written = dict(self.detector.states)

    def be_killed(self) -> None:
        self.detector.states = dict(self._written)
        self.waiting[:0] = self._unwritten
        self._unwritten.clear()


def _in_order(samples: Iterable[Waiting]) -> list[tuple[Key, Sample]]:
    timed = [(key, sample) for key, sample in samples if isinstance(sample, Sample)]
    return sorted(timed, key=lambda one: one[1].at)


def _as_told(report: Report, watch: ValueWatch) -> Told:
    return (
        *(amount_text(report.previous), amount_text(report.current), report.change, report.change_pct),
        *(str(report.reason), str(report.severity)),
        *_said(report.reason, *report.testimony.told(_UNKNOWN, watch)),
        *_only_some(report.duration_seconds, report.details),
    )


def _only_some(duration: float | None, details: Mapping[str, object]) -> Told:
    """What only some events tell; what the clock has a part in comes last."""
    # Of two that exchange their names, one may be told before the other's name is taken.
    known = {name: value for name, value in details.items() if name not in ("off_since", "previous_taken")}
    return json.dumps(known, sort_keys=True), f"{duration} {details.get('off_since')}"


def _said(reason: str, changed_at: datetime, confidence: float, provenance: str | None) -> Told:
    """A deletion's time is the clock's, and whose word it takes depends on how the row went: other tests tell.

    They tell what the row of a new name says of itself, too.
    """
    if reason in ("deleted", "renamed"):
        return ()
    return (changed_at.astimezone(UTC).isoformat(), str(float(confidence)), provenance)


def told_by_log(settings: Settings) -> dict[Key, list[Told]]:
    """The log of events as its readers get it, by entity."""
    reader = LogReader(postgres_server(settings), "twin")
    reader.open()
    told: dict[Key, list[Told]] = defaultdict(list)
    while rows := (chunk := reader.read(1000)).rows:
        reader.advance(chunk)
        for row in rows:
            step = (row.previous, row.current, row.change, row.change_pct, row.reason, row.severity)
            said = _said(row.reason, row.changed_at, row.confidence, row.provenance)
            only_some = _only_some(row.duration_seconds, json.loads(row.details or "{}"))
            told[row.chain, row.entity].append((*step, *said, *only_some))
    reader.close()
    return told


def expect_the_same(connection: psycopg.Connection, settings: Settings, twin: Twin, *, has_durations: bool) -> None:
    """Compare every event, and every note of the quarantine; durations only where no clock was asked."""
    assert connection.execute("SELECT watch, operation, message FROM rtp.trigger_error").fetchall() == []
    assert _quarantine(connection) == _without_empty(twin.quarantine)
    told = told_by_log(settings)
    end = None if has_durations else DURATION
    for key in sorted(told.keys() | twin.told.keys()):
        in_log, by_twin = ([told[:end] for told in side[key]] for side in (told, twin.told))
        assert in_log == by_twin, f"{key}: {twin.detector.rule(key)}"


def _quarantine(connection: psycopg.Connection) -> Mapping[Key, list[Told]]:
    found: dict[Key, list[Told]] = defaultdict(list)
    for chain, entity, *what in connection.execute(
        "SELECT chain, entity, what, baseline::text, value::text FROM rtp.quarantine ORDER BY id"
    ):
        found[chain, entity].append(tuple(what))
    return found


def _without_empty(found: Mapping[Key, list[Told]]) -> Mapping[Key, list[Told]]:
    return {key: notes for key, notes in found.items() if notes}
