"""Whether the step from one value to another is significant, and its severity, in exact arithmetic.

The same rules in SQL are `triggers/sql/functions/`; `docs/detection.md` states them.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING

from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from core.settings.rules import Rule
    from core.settings.watches import GlitchGuard, Peg, SeverityTiers

EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Products and differences in all their digits. Never divide in this context: a third has no end."""

_HUNDRED = Decimal(100)
_BASIS_POINTS = Decimal(10_000)
_SERIOUS = frozenset({Reason.TO_NULL, Reason.NOT_FINITE, Reason.DELETED, Reason.FROM_ZERO, Reason.DEPEG})


def same(one: Decimal | None, other: Decimal | None) -> bool:
    """Equality as PostgreSQL has it: null is null here, and NaN is NaN."""
    if one is None or other is None:
        return one is other
    return one == other or (one.is_nan() and other.is_nan())


def verdict(previous: Decimal | None, current: Decimal | None, rule: Rule) -> Reason | None:
    """Rule 5: why the step is significant, or None."""
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
    return Reason.DEVIATION if _reaches(size, previous, rule.percent) else None


def is_jump(baseline: Decimal | None, value: Decimal | None, guard: GlitchGuard) -> bool:
    """Rule 3: whether the value is so far above the baseline that it may be a glitch."""
    if baseline is None or value is None or not baseline or not (baseline.is_finite() and value.is_finite()):
        return False
    return value.copy_abs() > EXACT.multiply(guard.factor, baseline.copy_abs())


def is_off_peg(value: Decimal | None, peg: Peg) -> bool | None:
    """Rule 4: whether the price is off its peg. None where the value cannot tell."""
    if value is None or not value.is_finite():
        return None
    distance = EXACT.subtract(value, peg.value).copy_abs()
    return EXACT.multiply(distance, _BASIS_POINTS) >= EXACT.multiply(peg.deviation_bps, peg.value)


def severity(reason: Reason, previous: Decimal | None, current: Decimal | None, tiers: SeverityTiers) -> Severity:
    """How much an event matters: by the change in percent before rounding, else by the reason."""
    if previous is None or current is None or not previous or not (previous.is_finite() and current.is_finite()):
        return Severity.WARNING if reason in _SERIOUS else Severity.INFO
    size = EXACT.subtract(current, previous).copy_abs()
    if _reaches(size, previous, tiers.critical):
        return Severity.CRITICAL
    if reason is Reason.DEPEG or _reaches(size, previous, tiers.warning):
        return Severity.WARNING
    return Severity.INFO


def _reaches(size: Decimal, previous: Decimal, percent: Decimal) -> bool:
    return EXACT.multiply(size, _HUNDRED) >= EXACT.multiply(percent, previous.copy_abs())
