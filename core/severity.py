"""How much an event matters, in exact arithmetic.

The same rule in SQL is `triggers/sql/functions/`; `docs/reference/detection.md` states it.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING

from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from core.settings.watches import SeverityTiers

EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Products and differences in all their digits. Never divide in this context: a third has no end."""

_HUNDRED = Decimal(100)
_RISING = tuple(Severity)
_SERIOUS = frozenset({Reason.TO_NULL, Reason.NOT_FINITE, Reason.DELETED, Reason.FROM_ZERO, Reason.DEPEG})


def severity(reason: Reason, previous: Decimal | None, current: Decimal | None, tiers: SeverityTiers) -> Severity:
    """How much an event matters: by the change in percent before rounding, else by the reason."""
    if previous is None or current is None or not previous or not (previous.is_finite() and current.is_finite()):
        return Severity.WARNING if reason in _SERIOUS else Severity.INFO
    size = EXACT.subtract(current, previous).copy_abs()
    if reaches(size, previous, tiers.critical):
        return Severity.CRITICAL
    if reason is Reason.DEPEG or reaches(size, previous, tiers.warning):
        return Severity.WARNING
    return Severity.INFO


def worse(one: Severity, other: Severity) -> Severity:
    """The worse of two."""
    return max(one, other, key=_RISING.index)


def reaches(size: Decimal, previous: Decimal, percent: Decimal) -> bool:
    """Whether a step of this size is so many percent of the previous value, or more."""
    return EXACT.multiply(size, _HUNDRED) >= EXACT.multiply(percent, previous.copy_abs())
