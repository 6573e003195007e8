"""The values of which no rule has anything to say: most samples are one of those, and two comparisons tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.detection.distance import firing_values, jump_lines, peg_lines
from core.detection.memory import MoveMemory
from core.detection.moves import fires_at, step_ends_at, value_before
from core.detection.state import NEVER, later

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from core.detection.state import CompareWith, EntityState
    from core.settings.rules import Rule


@dataclass(frozen=True, slots=True)
class Band:
    """A sample between `lower` and `upper`, and before `until`, is the newest one of its entity, and nothing else.

    All three are exclusive. That it is not late is asked elsewhere.
    """

    lower: Decimal
    upper: Decimal
    until: datetime

    def holds(self, value: Decimal | None, at: datetime) -> bool:
        """Whether a sample changes nothing but what was seen last."""
        return value is not None and value.is_finite() and self.lower < value < self.upper and at < self.until


def band(state: EntityState, rule: Rule, compare_with: CompareWith) -> Band | None:
    """The band of an entity; None where each sample needs a closer look."""
    if rule.agree is not None:  # each sample says what its source says
        return None
    moments = (state.suspect_since, state.off_peg_since, state.gone_at)
    if state.held or any(moment is not None for moment in moments) or compare_with == "previous_row":
        return None
    lower, upper = firing_values(state.value, rule)
    if lower is None or upper is None:
        return None
    lowest_peg, highest_peg = peg_lines(rule)
    if lowest_peg is not None and highest_peg is not None:
        lower, upper = max(lower, lowest_peg), min(upper, highest_peg)
    least, most = jump_lines(state.value, rule)
    if most is not None:
        lower, upper = max(lower, most.copy_negate()), min(upper, most)
    if least is not None and state.value is not None:
        lower, upper = (max(lower, least), upper) if state.value >= 0 else (lower, min(upper, least.copy_negate()))
    until = later(state.reported_at, rule.heartbeat) if rule.heartbeat else NEVER
    for move in rule.moves or ():
        known = state.memory.moves.get(move.name, MoveMemory())
        begun_at = value_before(known, move, state.sample_at)
        if known.told is not None:
            return None
        until = min(until, step_ends_at(state.sample_at, move))
        if begun_at is not None:  # else there is nothing to have moved from before the step ends
            below, above = fires_at(begun_at, move)
            lower, upper = max(lower, lower if below is None else below), min(upper, upper if above is None else above)
    return Band(lower, upper, until)
