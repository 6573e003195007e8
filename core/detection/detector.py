"""All entities of one watch: their rules, their states, and the judging of each sample."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.due import due_at, peg_due_at
from core.detection.gone import delete
from core.detection.judge import judge, tick
from core.detection.state import EntityState
from core.detection.testimony import UNSAID
from core.settings.rules import rule_for
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from datetime import datetime

    from core.detection.report import Report
    from core.detection.state import Judgement, Sample, Shape
    from core.detection.testimony import Testimony
    from core.settings.rules import Rule
    from core.settings.watches import ValueWatch

Key = tuple[str, str]
"""An entity: its chain, and its protocol or token."""


class Detector:
    """Judges the samples of one watch. Not thread-safe.

    `states` may be a mapping that lives longer than the detector, as a Lambda needs. `shape` is the watch's own
    unless the samples come from elsewhere than its table: a history of a `latest` table is still a history.
    """

    def __init__(
        self, watch: ValueWatch, *, states: MutableMapping[Key, EntityState] | None = None, shape: Shape | None = None
    ) -> None:
        self._watch = watch
        self._shape: Shape = shape or watch.shape
        self._rules: dict[Key, Rule] = {}
        self.states: MutableMapping[Key, EntityState] = {} if states is None else states

    def feed(self, chain: str, entity: str, sample: Sample) -> Report | None:
        """Judge a sample: the event it is, or None."""
        return self.judge((chain, entity), sample).report

    def judge(self, key: Key, sample: Sample) -> Judgement:
        """Judge a sample. The judgement's note says what became of it."""
        judgement = judge(
            self.states.get(key),
            sample,
            self.rule(key),
            compare_with=self._watch.compare_with,
            shape=self._shape,
        )
        self.states[key] = judgement.state
        return judgement

    def delete(self, chain: str, entity: str, testimony: Testimony = UNSAID) -> Report | None:
        """Forget an entity. Returns the event, or None for an unknown entity. Not for a history's deleted rows."""
        state = self.states.pop((chain, entity), None)
        return None if state is None else delete(state, self.rule((chain, entity)), testimony)

    def wait(self, key: Key, until: datetime) -> Iterator[tuple[Judgement, int]]:
        """Judge an entity's silence before `until`. Yields each judgement with the number of its repetitions.

        Equal heartbeats in a row are one step: a year of them costs no more than one.
        """
        state, rule = self.states.get(key), self.rule(key)
        if state is None:
            return
        while (due := due_at(state, rule)) is not None and due < until:
            was_settled = _is_settled(state, rule)
            judgement = tick(state, due, rule, compare_with=self._watch.compare_with)
            times = 1
            if was_settled and _goes_on(judgement, rule):
                judgement, times = _repeated(judgement, until, rule)
            state = self.states[key] = judgement.state
            yield judgement, times

    def key_of(self, key: Key) -> Key:
        """The entity that a row of these names is about."""
        return self._watch.key_of(*key)

    def rule(self, key: Key) -> Rule:
        """The rule of an entity; looked up once per entity."""
        rule = self._rules.get(key)
        if rule is None:
            rule = self._rules[key] = rule_for(self._watch, *key)
        return rule


def _goes_on(judgement: Judgement, rule: Rule) -> bool:
    """Whether it is a heartbeat that silence repeats; where sources must agree, silence ends it."""
    return judgement.report is not None and judgement.report.reason is Reason.HEARTBEAT and rule.agree is None


def _is_settled(state: EntityState, rule: Rule) -> bool:
    """Whether nothing but heartbeats is to come while it is silent."""
    return state.suspect_since is None and state.value is state.last_value and peg_due_at(state, rule) is None


def _repeated(judgement: Judgement, until: datetime, rule: Rule) -> tuple[Judgement, int]:
    """The last of the equal heartbeats before `until`, and their number."""
    pause = max(filter(None, (rule.heartbeat, rule.cooldown)))
    at = judgement.state.reported_at
    more = -((at + judgement.state.lag - until) // pause) - 1
    return replace(judgement, state=replace(judgement.state, reported_at=at + more * pause)), 1 + more
