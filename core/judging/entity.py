"""One entity in the judge's memory. Pure: no I/O and no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.band import band
from core.detection.due import due_at
from core.detection.gone import leave
from core.detection.memory import NOTHING, memory_text
from core.detection.state import NO_LAG
from core.settings.rules import rule_for

if TYPE_CHECKING:
    from datetime import datetime

    from core.detection.memory import RuleMemory
    from core.detection.state import EntityState
    from core.judging.rename import Renamed
    from core.judging.sample import EntityKey, SampleRow
    from core.judging.watches import InstalledWatch


class EntityMemory:
    """An entity's rule and its state, None where the entity is not there.

    Of most samples no rule has anything to say: the row only becomes `newest`, and the state is made anew when somebody
    asks for it. `is_dirty` says that the database has not got all this yet, `is_moved` that more than the newest sample
    has changed. `gone_xid` is the transaction that has deleted the entity's row, `gone` the sample that says so, where
    it came since this was read. `came_xid` is the one that wrote the row first, as long as no event has told of it.
    """

    __slots__ = (
        "_band", "_known", "_memory_text", "_postponed_to", "_reckoned_lag", "_sample_at", "_state",
        "came_xid", "gone", "gone_xid", "is_dirty", "is_moved", "key", "newest", "renamed", "rule", "watch",
    )  # fmt: skip

    def __init__(
        self,
        key: EntityKey,
        watch: InstalledWatch,
        state: EntityState | None,
        gone_xid: str | None = None,
        came_xid: str | None = None,
    ) -> None:
        self.key = key
        self.watch = watch
        self.rule = rule_for(watch.watch, key[1], key[2])
        self.newest: SampleRow | None = None
        self.gone: SampleRow | None = None
        self.is_dirty = self.is_moved = False
        self._postponed_to: datetime | None = None
        self._known: SampleRow | None = None
        self._sample_at: datetime | None = None
        self._reckoned_lag = NO_LAG
        self._state: EntityState | None = None
        self._memory_text: tuple[RuleMemory, str | None] = NOTHING, None
        self.gone_xid: str | None = None
        self._set(state)
        self.gone_xid = gone_xid
        self.came_xid = came_xid
        self.renamed: Renamed | None = None

    def remember(self, row: SampleRow) -> bool:
        """Take a sample that only becomes the newest one; false where a rule may have something to say of it."""
        at = row.sampled_at
        if self._band is None or not self._band.holds(row.value, at):
            return False
        is_in_order = self._sample_at is None or at > self._sample_at
        # Where a clock was set back, moves over time are in another step than the band is of.
        if not is_in_order and (self.watch.watch.is_history or self.rule.moves):
            return False
        self.newest, self._sample_at = row, at
        return True

    @property
    def state(self) -> EntityState | None:
        """What is remembered, with the newest sample."""
        state, row = self._state, self.newest
        if state is None or row is self._known or row is None:
            return state
        self._known = row
        self._state = replace(
            state,
            last_value=row.value,
            sample_at=row.sampled_at,
            testimony=row.testimony,
            lag=row.lag if self.watch.watch.is_history else NO_LAG,
        )
        return self._state

    def move_to(self, state: EntityState | None) -> None:
        """Take the state that a judgement came to; None: the entity is gone."""
        self.is_moved = True
        self._postponed_to = None
        self._set(state)

    def take_over(self, former: EntityMemory) -> None:
        """Be who was called otherwise so far, and is there now."""
        state = former.state
        self.came_xid = former.came_xid
        self.move_to(None if state is None else replace(state, gone_at=None))
        former.came_xid = former.renamed = None
        former.move_to(None)

    def go(self, row: SampleRow) -> None:
        """Take it that the entity's row is gone, unless that is known."""
        state = self.state
        if state is not None and state.gone_at is None:
            self.move_to(leave(state, row.sampled_at, said=row.testimony))
            self.gone, self.gone_xid = row, row.xid

    def postpone(self, moment: datetime) -> None:
        """Have the next appointment at this moment, whatever the rules say, until a sample comes."""
        self.is_moved = True
        self._postponed_to = moment

    @property
    def due_at(self) -> datetime | None:
        """When time alone may change the state."""
        state = self.state
        return None if state is None else self._postponed_to or due_at(state, self.rule)

    @property
    def memory_text(self) -> str | None:
        """What the rules remember, as the database keeps it: spelled anew only where it has changed."""
        memory = NOTHING if self._state is None else self._state.memory
        if memory is not self._memory_text[0]:
            self._memory_text = memory, memory_text(memory)
        return self._memory_text[1]

    @property
    def rules(self) -> int:
        """The revision to write down. Where the watch is not sampled, an earlier one has its trigger look closer."""
        return self.watch.rules if self.watch.is_sampled else self.watch.rules - 1

    @property
    def is_due_sooner(self) -> bool:
        """Whether the appointment that the database knows comes too late, as samples arrive sooner than before."""
        return self.rule.heartbeat is not None and self.newest is not None and self.newest.lag < self._reckoned_lag

    def _set(self, state: EntityState | None) -> None:
        self._state = state
        self._band = None
        self.newest = self._known = None
        self._sample_at, self._reckoned_lag = None, NO_LAG
        if state is None or state.gone_at is None:
            self.gone = self.gone_xid = None
        if state is not None:
            self._band = band(state, self.rule, self.watch.watch.compare_with)
            self._sample_at, self._reckoned_lag = state.sample_at, state.lag
