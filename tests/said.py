"""Columns of a table of prices in which each row says something of its own, and what that is: all made of the price."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from core.detection.report import amount_text
from core.detection.testimony import Testimony

if TYPE_CHECKING:
    from decimal import Decimal

TRUST_AND_FEED = (
    "trust double precision GENERATED ALWAYS AS (1::double precision / length(price::text)) STORED,"
    " feed text GENERATED ALWAYS AS (price::text) STORED"
)
AT = (
    "at timestamp GENERATED ALWAYS AS"
    " (timestamp '2024-03-01' + coalesce(length(price::text), 0) * interval '1 hour'"
    "  + CASE WHEN length(price::text) = 5 THEN interval '100000 days' ELSE '0' END) STORED"
)
_MARCH = datetime(2024, 3, 1, tzinfo=UTC)


def said_with(price: Decimal | None, at: datetime | None = None) -> Testimony:
    """What a row with this price says; `at` where the table has times of its own."""
    text = amount_text(price)
    hours = 0 if text is None else len(text)
    days = 100_000 if is_of_the_future(price) else 0
    return Testimony(at or _MARCH + timedelta(days, hours=hours), 1 / hours if hours else None, text)


def is_of_the_future(price: Decimal | None) -> bool:
    """Whether a row with this price says a time that is far ahead: some do."""
    return len(amount_text(price) or "") == 5
