"""Amounts for people, as their kind has them: `$1.23B`, `$0.00001234`, `5.20%`; and changes: `+1.52%`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.kinds import Kind

_UNITS = ((Decimal("1e12"), "T"), (Decimal("1e9"), "B"), (Decimal("1e6"), "M"))
_LARGEST = Decimal("1e15")
_MOST_EXTRA_DIGITS = 6
_NONE = "–"


def move(previous: str | None, current: str | None, kind: Kind) -> tuple[str, str]:
    """Both amounts, with as many digits as it takes to tell them apart."""
    texts = ("", "")
    for extra_digits in range(_MOST_EXTRA_DIGITS + 1):
        texts = spelled(previous, kind, extra_digits), spelled(current, kind, extra_digits)
        if texts[0] != texts[1]:
            break
    return texts


def spelled(amount: str | None, kind: Kind, extra_digits: int = 0) -> str:
    """One amount: five significant digits while small, millions and more by their unit."""
    if amount is None:
        return _NONE
    value = Decimal(amount)
    if not value.is_finite():
        return "NaN" if value.is_nan() else "∞" if value > 0 else "-∞"
    sign, size = "-" if value < 0 else "", value.copy_abs()
    return f"{sign}{kind.prefix}{_humanised(size, extra_digits)}{kind.suffix}"


def percent(change_pct: str) -> str:
    """A signed percentage; two decimals, or two digits where it is smaller than that."""
    value = Decimal(change_pct)
    if not value.is_finite() or value == 0:
        return f"{value}%" if value else "0%"
    if value.copy_abs() >= 1_000_000:
        return f"{value:+.1e}%"
    decimals = 2 if value.copy_abs() >= Decimal("0.01") else 1 - value.adjusted()
    return f"{value:+,.{decimals}f}%"


def _humanised(size: Decimal, extra_digits: int) -> str:
    if size >= _LARGEST:
        return f"{size:.{2 + extra_digits}e}"
    for unit, letter in _UNITS:
        if size >= unit * Decimal("0.999995"):  # what rounds to 1.00 of a unit is not 1000.00 of the one below
            return f"{size / unit:.{2 + extra_digits}f}{letter}"
    if size == 0:
        return "0"
    decimals = max(2, 4 - size.adjusted()) + extra_digits
    whole, _, fraction = f"{size:,.{min(decimals, 30)}f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}" if decimals <= 12 else f"{size:.{3 + extra_digits}e}"
