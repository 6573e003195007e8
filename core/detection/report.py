"""A judgement's report: the step, its reason, and its size as PostgreSQL prints it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.detection.testimony import UNSAID, Testimony
from core.severity import EXACT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtp_client.event import DeletedBy, Reason, Severity

_PERCENT_DECIMALS = 6
_LEAST, _MOST = Decimal("1e-1000"), Decimal("1e1000")
"""NUMERIC may not hold the percentage beyond these limits: core/sql/log.sql and this module leave it out."""


@dataclass(frozen=True, slots=True)
class Report:
    """A significant change. `previous` is what the value was compared with, `testimony` that of the row it tells of.

    `deletedby` is who deleted the row, where that was no writer. `details` are what only some events tell, as
    `EventData` spells and names it.
    """

    previous: Decimal | None
    current: Decimal | None
    reason: Reason
    severity: Severity
    duration_seconds: float | None = None
    testimony: Testimony = UNSAID
    deletedby: DeletedBy | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def details_json(self) -> str | None:
        """The details as JSON; None without any."""
        return json.dumps(dict(self.details)) if self.details else None

    @property
    def change(self) -> str | None:
        """The difference current - previous, digit for digit, where both are finite."""
        step = self._step()
        return None if step is None else amount_text(EXACT.subtract(step[1], step[0]))

    @property
    def change_pct(self) -> str | None:
        """The change in percent of |previous|, rounded half away from zero to six decimals, where there is one."""
        step = self._step()
        if step is None or not _LEAST <= step[0].copy_abs() <= _MOST or step[1].copy_abs() > _MOST:
            return None
        return percent_text(*step)

    def _step(self) -> tuple[Decimal, Decimal] | None:
        if self.previous is None or self.current is None:
            return None
        if not (self.previous.is_finite() and self.current.is_finite()):
            return None
        return self.previous, self.current


def amount_text(value: Decimal | None) -> str | None:
    """A value as PostgreSQL prints a NUMERIC: no exponent, no negative zero, NaN without a sign."""
    if value is None:
        return None
    if value.is_nan():
        return "NaN"
    return format(value if value else value.copy_abs(), "f")


def percent_text(previous: Decimal, current: Decimal) -> str:
    """The change in percent of |previous|, which is not 0, rounded half away from zero to six decimals."""
    # In whole numbers: floor(x + 1/2) of a positive x is rounding half away from zero, and rounds once. PostgreSQL's
    # `/` rounds to a scale of its own first, so that round(x / y, 6) may round twice, or keep fewer than six decimals.
    change = EXACT.subtract(current, previous)
    change_over, change_under = change.copy_abs().as_integer_ratio()
    previous_over, previous_under = previous.copy_abs().as_integer_ratio()
    over = change_over * previous_under * 100 * 10**_PERCENT_DECIMALS
    under = change_under * previous_over
    units = (2 * over + under) // (2 * under)
    whole, fraction = divmod(units, 10**_PERCENT_DECIMALS)
    sign = "-" if change < 0 and units else ""
    return f"{sign}{whole}.{fraction:0{_PERCENT_DECIMALS}d}".rstrip("0").rstrip(".")
