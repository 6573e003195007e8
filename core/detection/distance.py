"""How far an entity is from its next event: which values would be reported, and which rule delays an event. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, Context, Decimal
from typing import TYPE_CHECKING

from core.detection.report import Report
from core.detection.verdict import verdict
from core.severity import EXACT
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from datetime import datetime

    from core.settings.rules import Rule

_UPWARDS = Context(prec=28, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN)
_PERCENT, _BASIS_POINT = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True)
class Distance:
    """The step from the baseline to the value now, and the rules' limits.

    `reason` is the reason that the step would be reported with, before any cooldown; None where it would not be
    reported. `fires_below` and `fires_above` are the nearest values on either side that would be reported. Both equal
    the baseline where any change would be; both are None where the baseline is not a finite number.
    """

    change: str | None
    change_pct: str | None
    reason: Reason | None
    fires_below: Decimal | None
    fires_above: Decimal | None
    depegs_below: Decimal | None
    depegs_above: Decimal | None
    repegs_above: Decimal | None
    repegs_below: Decimal | None
    jumps_beyond: Decimal | None
    jumps_within: Decimal | None
    cooled_until: datetime | None
    heartbeat_at: datetime | None


def distance(
    baseline: Decimal | None, reported_at: datetime, current: Decimal | None, rule: Rule, lag: timedelta = timedelta()
) -> Distance:
    """How far the current value is from being reported; when, by the server's clock."""
    reason = verdict(baseline, current, rule)
    step = Report(baseline, current, reason or Reason.DEVIATION, Severity.INFO)
    fires_below, fires_above = firing_values(baseline, rule)
    depegs_below, depegs_above = peg_lines(rule)
    repegs_above, repegs_below = recovery_lines(rule)
    jumps_within, jumps_beyond = jump_lines(baseline, rule)
    return Distance(
        change=step.change,
        change_pct=step.change_pct,
        reason=reason,
        fires_below=fires_below,
        fires_above=fires_above,
        depegs_below=depegs_below,
        depegs_above=depegs_above,
        repegs_above=repegs_above,
        repegs_below=repegs_below,
        jumps_beyond=jumps_beyond,
        jumps_within=jumps_within,
        cooled_until=reported_at + lag + rule.cooldown if rule.cooldown else None,
        heartbeat_at=reported_at + lag + max(rule.heartbeat, rule.cooldown or timedelta()) if rule.heartbeat else None,
    )


def firing_values(baseline: Decimal | None, rule: Rule) -> tuple[Decimal | None, Decimal | None]:
    """The inverse of rule 6: the nearest values below and above the baseline that have a verdict."""
    if baseline is None or not baseline.is_finite():
        return None, None
    size = baseline.copy_abs()
    step = max(EXACT.multiply(EXACT.multiply(size, rule.percent), _PERCENT), rule.min_change)
    below, above = EXACT.subtract(baseline, step), EXACT.add(baseline, step)
    # Reaching zero is an event of its own, however many percent it takes to get there.
    if baseline > 0 and size >= rule.min_change:
        below = max(below, Decimal(0))
    elif baseline < 0 and size >= rule.min_change:
        above = min(above, Decimal(0))
    return below, above


def peg_lines(rule: Rule) -> tuple[Decimal | None, Decimal | None]:
    """The inverse of rule 4: the nearest values below and above the peg that are off it."""
    return (None, None) if rule.peg is None else _around(rule.peg.value, rule.peg.deviation_bps)


def recovery_lines(rule: Rule) -> tuple[Decimal | None, Decimal | None]:
    """The same of a price that was off: between these two it is back."""
    return (None, None) if rule.peg is None else _around(rule.peg.value, rule.peg.recovery)


def _around(peg: Decimal, basis_points: Decimal) -> tuple[Decimal, Decimal]:
    step = EXACT.multiply(EXACT.multiply(peg, basis_points), _BASIS_POINT)
    return EXACT.subtract(peg, step), EXACT.add(peg, step)


def jump_lines(baseline: Decimal | None, rule: Rule) -> tuple[Decimal | None, Decimal | None]:
    """The inverse of rule 3: the magnitudes below and above which a value is a jump, the lower one rounded up."""
    guard = rule.glitch_guard
    if guard is None or baseline is None or not baseline.is_finite():
        return None, None
    size = baseline.copy_abs()
    most = EXACT.multiply(guard.factor, size)
    if size < guard.min_value:
        return None, max(most, guard.min_value)
    return _UPWARDS.divide(size, guard.factor), most
