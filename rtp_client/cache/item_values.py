"""What a DynamoDB item says, as a reader's entry spells it. An attribute that cannot be read raises ValueError."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rtp_client.aliases import called_now
from rtp_client.attribute_json import json_of
from rtp_client.cache.table import Fixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rtp_client.cache.item_table import Attribute, Item, ItemTable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_ABOVE = 100_000_000_000  # as seconds: the year 5138
_WIDEST_NUMBER = 131_072  # NUMERIC's


def path_of(attribute: Attribute) -> tuple[str, ...]:
    """The names on the way to a value: the attribute's, then those of members of the maps within."""
    return tuple(attribute.split(".")) if isinstance(attribute, str) else attribute


def attribute_of(item: Item, attribute: Attribute) -> Mapping[str, Any] | None:
    """The value at a path, in DynamoDB's spelling; None where there is none."""
    first, *rest = path_of(attribute)
    found: Any = item.get(first)
    for name in rest:
        found = found.get("M", {}).get(name) if found else None
    return found  # type: ignore[no-any-return]


def text_of(attribute: Mapping[str, Any] | None) -> str | None:
    """A string, or a number's digits; None for null and for no attribute."""
    if attribute is None or "NULL" in attribute:
        return None
    found = attribute.get("S", attribute.get("N"))
    if found is None:
        raise ValueError("it is neither a string nor a number")
    return str(found)


def owner_of(item: Item, table: ItemTable) -> tuple[str | None, str | None]:
    """The chain and the entity that the item is of."""
    chain, entity = (
        named.name if isinstance(named, Fixed) else text_of(attribute_of(item, named))
        for named in (table.chain, table.entity)
    )
    return chain and called_now(chain, table.chain_aliases), entity and called_now(entity, table.aliases)


def value_of(item: Item, table: ItemTable) -> str:
    """The value as events give it: a decimal string, empty for null; or the watched attributes of metadata as JSON."""
    if table.value is None:
        places = table.watched_at or [(name,) for name in table.watched]
        found = zip(table.watched, places, strict=True)
        return json.dumps({name: json_of(attribute_of(item, place)) for name, place in found})
    digits = text_of(attribute_of(item, table.value))
    if digits is None:
        return ""
    try:
        number = Decimal(digits.strip())
    except InvalidOperation:
        raise ValueError("its value is not a number") from None
    if number.is_finite() and abs(number.adjusted()) > _WIDEST_NUMBER:
        raise ValueError("its value is beyond all amounts")
    return "NaN" if number.is_nan() else format(number if number else abs(number), "f")


def time_of(item: Item, table: ItemTable) -> datetime | None:
    """The item's own time; None where it has none."""
    text = None if table.changed_at is None else text_of(attribute_of(item, table.changed_at))
    if text is None:
        return None
    try:
        seconds = Decimal(text)
    except InvalidOperation:
        moment = datetime.fromisoformat(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(table.timezone))
    try:
        whole = seconds / 1000 if abs(seconds) > _MILLISECONDS_ABOVE else seconds
        return _EPOCH + timedelta(microseconds=int(whole * 1_000_000))
    except (OverflowError, ArithmeticError) as error:
        raise ValueError("it is beyond all years") from error
