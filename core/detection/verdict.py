"""Whether the step from one value to another is significant, in exact arithmetic.

The same rules in SQL are `triggers/sql/functions/`; `docs/reference/detection.md` states them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from core.severity import EXACT, reaches
from rtp_client.event import Reason

if TYPE_CHECKING:
    from core.settings.rules import Rule


def same(one: Decimal | None, other: Decimal | None) -> bool:
    """Equality as PostgreSQL has it: null is null here, and NaN is NaN."""
    if one is None or other is None:
        return one is other
    return one == other or (one.is_nan() and other.is_nan())


def verdict(previous: Decimal | None, current: Decimal | None, rule: Rule) -> Reason | None:
    """Rule 6: why the step is significant, or None."""
    if same(previous, current):
        return None
    if previous is None:
        return Reason.FROM_NULL
    if current is None:
        return Reason.TO_NULL
    if not current.is_finite():
        return Reason.NOT_FINITE
    if not previous.is_finite():
        return Reason.FINITE_AGAIN
    return _finite_verdict(previous, current, rule)


def _finite_verdict(previous: Decimal, current: Decimal, rule: Rule) -> Reason | None:
    size = EXACT.subtract(current, previous).copy_abs()
    if size < rule.min_change:
        return None
    if not previous:
        return Reason.FROM_ZERO
    if not current:
        return Reason.TO_ZERO
    return Reason.DEVIATION if reaches(size, previous, rule.percent) else None
