"""A limit as a budget of messages: a part may go at once, the rest comes back bit by bit. Pure.

A budget of 20 a minute begins with 10 messages, and one more comes back every 5.5 seconds, up to 10: so no minute sees
more than 20, and after a burst there is not a minute's silence. Some are kept for what is critical.

How much is spent is one number, the time at which all of the budget is back. It means the same under another limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings.rhythm import MessageLimit

_MOMENT = 0.001


@dataclass(frozen=True)
class Budget:
    """At most `burst` messages at once, and one more each `seconds_each`. The last `kept` are for what is critical."""

    burst: float
    kept: int
    seconds_each: float

    def left(self, spent_until: float, now: float, *, is_critical: bool) -> float:
        """How many messages may go now."""
        if not self.seconds_each:
            return math.inf
        spent = max(0.0, self._believed(spent_until, now) - now) / self.seconds_each
        return self.burst - spent - (0 if is_critical else self.kept)

    def free_at(self, spent_until: float, now: float, *, is_critical: bool) -> float:
        """When the next message may go."""
        missing = 1 - self.left(spent_until, now, is_critical=is_critical)
        # A moment later, so that rounding has nobody look again and again.
        return now + missing * self.seconds_each + _MOMENT if missing > 0 else now

    def spend(self, spent_until: float, now: float) -> float:
        """When all of the budget is back, once a message has gone now."""
        return max(self._believed(spent_until, now), now) + self.seconds_each

    def _believed(self, spent_until: float, now: float) -> float:
        # No more than a burst can be spent. Where it seems so, the clock was set back, or the limit was a lower one.
        return spent_until if spent_until <= now + self.burst * self.seconds_each + _MOMENT else now


UNLIMITED = Budget(burst=math.inf, kept=0, seconds_each=0.0)


def budget_of(limit: MessageLimit | None) -> Budget:
    """The budget that keeps a limit; None is none."""
    if limit is None:
        return UNLIMITED
    burst = max(1, limit.messages // 2)
    kept = max(1, burst // 4) if burst > 1 else 0
    # A burst, and what comes back in the rest of the time, are no more than the limit.
    return Budget(burst, kept, limit.per.total_seconds() / (limit.messages - burst + 1))
