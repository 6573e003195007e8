"""Rule 4, the peg: when a price has left it, how bad that is, and when it is back. Pure, in exact arithmetic."""

from __future__ import annotations

from datetime import timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from core.detection.memory import OffPeg
from core.severity import EXACT, worse
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from datetime import datetime

    from core.settings.peg import Peg

_BASIS_POINTS = Decimal(10_000)
_DIGITS, _SHOWN = Context(prec=40), Decimal("0.01")
_AT_ONCE = timedelta(0)
_TIER_BELOW = {Severity.CRITICAL: Severity.WARNING, Severity.WARNING: Severity.INFO}


class PegVerdict(NamedTuple):
    """Since when the price is off its peg and what is remembered of that, None where it is on it; the event, if any.

    `lowest` is of the time off the peg, also of one that ends here; `back_since` is when that one ended.
    """

    since: datetime | None
    off_peg: OffPeg | None
    reason: Reason | None = None
    severity: Severity = Severity.INFO
    lowest: Decimal | None = None
    back_since: datetime | None = None


def judge_peg(since: datetime | None, off_peg: OffPeg | None, value: Decimal, at: datetime, peg: Peg) -> PegVerdict:
    """Judge a finite value at a moment, of a price that is on its peg, or off it `since`.

    Of a price that was off before rtp remembered more than that, the depeg was told as a warning.
    """
    if since is None:
        return _leave(value, at, peg) if is_as_far(value, peg, peg.deviation_bps) else PegVerdict(None, None)
    known = off_peg or OffPeg(value, Severity.WARNING)
    lowest = min(known.lowest, value)
    if known.told is None:
        return _wait(since, lowest, value, at, peg)
    back_since = _back_since(known, value, at, peg)
    if back_since is not None and _is_long_enough(back_since, at, peg):
        return PegVerdict(None, None, Reason.REPEG, known.told, lowest, back_since)
    eased = _eased(known._replace(lowest=lowest, back_since=back_since), known.told, value, at, peg)
    return _escalated(since, eased, known.told, value, peg)


def unseen(
    since: datetime | None, off_peg: OffPeg | None, value: Decimal, at: datetime, peg: Peg
) -> tuple[datetime | None, OffPeg | None]:
    """What is remembered once a value is believed that was in quarantine from that moment on: it counts from then."""
    if since is None:
        return (at, OffPeg(value, None)) if is_as_far(value, peg, peg.deviation_bps) else (None, off_peg)
    known = off_peg or OffPeg(value, Severity.WARNING)
    known = known._replace(lowest=min(known.lowest, value))
    return since, known if known.told is None else _eased(known, known.told, value, at, peg)


def peg_severity(value: Decimal, peg: Peg) -> Severity:
    """How bad a price's distance from its peg is."""
    if is_as_far(value, peg, peg.critical):
        return Severity.CRITICAL
    return Severity.WARNING if is_as_far(value, peg, peg.warning) else Severity.INFO


def distance_bps(value: Decimal | None, peg: Peg) -> Decimal | None:
    """From the peg to the value in basis points, to two decimals; None where there is no such number."""
    if value is None or not value.is_finite():
        return None
    try:
        share = _DIGITS.divide(_DIGITS.subtract(value, peg.value), peg.value)
        return _DIGITS.quantize(_DIGITS.multiply(share, _BASIS_POINTS), _SHOWN).normalize(_DIGITS)
    except InvalidOperation:  # so far off that nobody counts in basis points
        return None


def is_as_far(value: Decimal, peg: Peg, basis_points: Decimal) -> bool:
    """Whether a finite value is so many basis points from the peg, or more."""
    distance = EXACT.subtract(value, peg.value).copy_abs()
    return EXACT.multiply(distance, _BASIS_POINTS) >= EXACT.multiply(basis_points, peg.value)


def _back_since(known: OffPeg, value: Decimal, at: datetime, peg: Peg) -> datetime | None:
    """Since when the price is back; one that is off again is not. Between the two bands all stays as it is."""
    if is_as_far(value, peg, peg.deviation_bps):
        return None
    return known.back_since if is_as_far(value, peg, peg.recovery) else known.back_since or at


def _is_long_enough(since: datetime, at: datetime, peg: Peg) -> bool:
    return at - since >= (peg.recover_for or _AT_ONCE)


def _eased(known: OffPeg, told: Severity, value: Decimal, at: datetime, peg: Peg) -> OffPeg:
    """A tier from which the price has stayed away for so long may be told again."""
    tier, since = known.tier or told, known.eased_since
    if since is not None and _is_long_enough(since, at, peg):
        tier, since = _TIER_BELOW[tier], None
    is_near = tier is Severity.INFO or is_as_far(value, peg, peg.tier_recovery(tier))
    return known._replace(tier=None if tier is told else tier, eased_since=None if is_near else since or at)


def _escalated(since: datetime, known: OffPeg, told: Severity, value: Decimal, peg: Peg) -> PegVerdict:
    """Tell a tier that is worse than the one that stands. The worst that was told stays known."""
    how_bad, tier = peg_severity(value, peg), known.tier or told
    if worse(how_bad, tier) is tier:
        return PegVerdict(since, known)
    worst = worse(how_bad, told)
    off_peg = known._replace(told=worst, tier=None if how_bad is worst else how_bad, eased_since=None)
    return PegVerdict(since, off_peg, Reason.ESCALATED, how_bad, known.lowest)


def _leave(value: Decimal, at: datetime, peg: Peg) -> PegVerdict:
    if peg.off_for:
        return PegVerdict(at, OffPeg(value, None))
    return _told(at, value, value, peg)


def _wait(since: datetime, lowest: Decimal, value: Decimal, at: datetime, peg: Peg) -> PegVerdict:
    """Nothing was told so far: the price must be off all the time, and that for so long."""
    if not is_as_far(value, peg, peg.deviation_bps):
        return PegVerdict(None, None)
    if peg.off_for and at - since < peg.off_for:
        return PegVerdict(since, OffPeg(lowest, None))
    return _told(since, lowest, value, peg)


def _told(since: datetime, lowest: Decimal, value: Decimal, peg: Peg) -> PegVerdict:
    how_bad = peg_severity(value, peg)
    return PegVerdict(since, OffPeg(lowest, how_bad), Reason.DEPEG, how_bad, lowest)
