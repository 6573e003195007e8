"""DynamoDB's attribute values, as stream records spell them (`{"N": "1.5"}`), in rtp's words.

Each function raises EventRejected for a value that rtp cannot use. `triggers/sql/functions/02_row.sql` has the same
bounds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.errors import EventRejected
from core.zones import FARTHEST, in_utc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from core.settings.dynamodb import AttributePath

_NUMBER = re.compile(r"\s*([-+]?((\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?|inf(inity)?)|nan)\s*", re.IGNORECASE | re.ASCII)
_LONGEST_NUMBER = 2000
_LONGEST_NAME_BYTES = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_ABOVE = Decimal(100_000_000_000)  # as seconds: the year 5138
_FIRST = datetime(1, 1, 2, tzinfo=UTC)


def attribute_at(image: Mapping[str, Any], path: AttributePath) -> Mapping[str, Any] | None:
    """What an item holds there; None where it holds nothing."""
    found: Mapping[str, Any] | None = image.get(path[0])
    for step in path[1:]:
        if found is None or "NULL" in found:
            return None
        if "M" not in found:
            raise EventRejected(f"is inside something of type {_kind(found)}, not a map")
        found = found["M"].get(step)
    return found


def text_of(attribute: Mapping[str, Any] | None) -> str | None:
    """A string, or a number's digits; None for null and for no attribute."""
    if attribute is None or "NULL" in attribute:
        return None
    for kind in ("S", "N"):
        if kind in attribute:
            return str(attribute[kind])
    raise EventRejected(f"is of type {_kind(attribute)}, not a string or a number")


def name_of(attribute: Mapping[str, Any] | None) -> str:
    """The name of a chain, a protocol or a token."""
    name = text_of(attribute)
    if not name:
        raise EventRejected("is missing or empty")
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME_BYTES:
        raise EventRejected(f"is longer than {_LONGEST_NAME_BYTES} bytes, the most that a name may have")
    return name


def number_of(attribute: Mapping[str, Any] | None) -> Decimal | None:
    """An amount, digit for digit."""
    digits = text_of(attribute)
    if digits is None:
        return None
    if len(digits) > _LONGEST_NUMBER or not _NUMBER.fullmatch(digits):
        raise EventRejected("is not a number")
    return Decimal(digits.strip())


def time_of(attribute: Mapping[str, Any] | None, zone: tzinfo = UTC) -> datetime | None:
    """A moment: RFC 3339 (of `zone` where it names none), or seconds or milliseconds since 1970; None for none."""
    text = text_of(attribute)
    if text is None:
        return None
    try:
        moment = _moment(text.strip(), zone)
    except (ValueError, OverflowError, ArithmeticError):
        raise EventRejected("is not a time: write RFC 3339, or seconds since 1970") from None
    return min(moment, FARTHEST) if moment >= _FIRST else None


def _moment(text: str, zone: tzinfo) -> datetime:
    if _NUMBER.fullmatch(text):
        seconds = Decimal(text)
        if abs(seconds) > _MILLISECONDS_ABOVE:
            seconds /= 1000
        return _EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
    return in_utc(datetime.fromisoformat(text), zone)


def confidence_of(attribute: Mapping[str, Any] | None) -> float | None:
    """A confidence within 0..1, else none."""
    number = number_of(attribute)
    return float(number) if number is not None and not number.is_nan() and 0 <= number <= 1 else None


def _kind(attribute: Mapping[str, Any]) -> str:
    return ", ".join(attribute) or "none"
