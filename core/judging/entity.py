"""One entity in the judge's memory. Pure: no I/O and no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.band import band
from core.detection.judge import due_at
from core.settings.rules import rule_for

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from core.detection.judge import EntityState
    from core.judging.watches import InstalledWatch

EntityKey = tuple[int, str, str]
"""An entity of any watch: the watch's id, the chain, and the protocol or token."""


class EntityMemory:
    """An entity's rule and its state, None where the entity is not there.

    Of most samples no rule has anything to say: they only become the newest one, `last_value` at `sample_at`, and the
    state is made anew when somebody asks for it. `is_dirty` says that the database has not got all this yet,
    `is_moved` that more than the newest sample has changed.
    """

    __slots__ = (
        "_band", "_postponed_to", "_state", "is_dirty", "is_moved", "key", "last_value", "rule", "sample_at", "watch",
    )  # fmt: skip

    def __init__(self, key: EntityKey, watch: InstalledWatch, state: EntityState | None) -> None:
        self.key = key
        self.watch = watch
        self.rule = rule_for(watch.watch, key[1], key[2])
        self.last_value: Decimal | None = None
        self.sample_at: datetime | None = None
        self.is_dirty = self.is_moved = False
        self._postponed_to: datetime | None = None
        self._state: EntityState | None = None
        self._set(state)

    def remember(self, value: Decimal | None, at: datetime) -> bool:
        """Take a sample that only becomes the newest one; false where a rule may have something to say of it."""
        if self._band is None or not self._band.holds(value, at):
            return False
        if self.sample_at is not None and at <= self.sample_at and self.watch.watch.is_history:
            return False
        self.last_value, self.sample_at = value, at
        return True

    @property
    def state(self) -> EntityState | None:
        """What is remembered, with the newest sample."""
        state = self._state
        if state is None or self.sample_at is None:
            return None
        if state.sample_at is not self.sample_at or state.last_value is not self.last_value:
            state = self._state = replace(state, last_value=self.last_value, sample_at=self.sample_at)
        return state

    def move_to(self, state: EntityState | None) -> None:
        """Take the state that a judgement came to; None: the entity is gone."""
        self.is_moved = True
        self._postponed_to = None
        self._set(state)

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
    def rules(self) -> int:
        """The revision to write down. Where the watch is not sampled, an earlier one has its trigger look closer."""
        return self.watch.rules if self.watch.is_sampled else self.watch.rules - 1

    def _set(self, state: EntityState | None) -> None:
        self._state = state
        self._band = None
        self.last_value, self.sample_at = None, None
        if state is not None:
            self._band = band(state, self.rule, self.watch.watch.compare_with)
            self.last_value, self.sample_at = state.last_value, state.sample_at
