"""Rows that are set aside: no rule sees them, and they move nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from decimal import Decimal

    from core.settings.rules import Rule

WhyAside = Literal["future", "late", "rejected"]
"""Its time is too far ahead; it is older than what is known; its value is one that the settings refuse."""


def is_ahead(own_time: datetime, arrived_at: datetime, limit: timedelta | None) -> bool:
    """Whether a row's own time is further ahead of its arrival than `max_future`; never where there is none."""
    return limit is not None and own_time > arrived_at and own_time - arrived_at > limit


def is_rejected(value: Decimal | None, rule: Rule) -> bool:
    """Whether the settings refuse such a value: zero, or one below it. What is no number is not refused."""
    if not rule.reject or value is None or value.is_nan():
        return False
    return (not value and "zero" in rule.reject) or (value < 0 and "negative" in rule.reject)
