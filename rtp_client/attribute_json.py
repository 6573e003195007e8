"""DynamoDB's attribute values as JSON values."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def exact_number(digits: str) -> float | int | str:
    """A number inside a metadata field: a JSON number where a double holds it exactly as written, else its digits."""
    number, exact = float(digits), Decimal(digits)
    if Decimal(repr(number)) != exact:
        return digits
    is_whole = "." not in digits and exact == exact.to_integral_value()
    return int(exact) if is_whole else number


def json_of(attribute: Mapping[str, Any] | None) -> Any:
    """Any attribute as a JSON value: numbers as metadata fields have them, binary as base64, sets as sorted lists."""
    if attribute is None:
        return None
    ((kind, value),) = attribute.items()
    return _JSON.get(kind, lambda other: other)(value)


def as_in_stream(value: Any) -> Any:
    """What boto3 gives, in the types that a stream's records have in Lambda: JSON's, binary as base64."""
    if isinstance(value, dict):
        return {name: as_in_stream(member) for name, member in value.items()}
    if isinstance(value, list | set):
        return [as_in_stream(member) for member in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp() if hasattr(value, "timestamp") else value


_JSON: Mapping[str, Callable[[Any], Any]] = {
    "NULL": lambda _: None,
    "N": exact_number,
    "L": lambda members: [json_of(member) for member in members],
    "M": lambda members: {name: json_of(member) for name, member in members.items()},
    "NS": lambda members: [exact_number(digits) for digits in sorted(members, key=Decimal)],
    "SS": sorted,
    "BS": sorted,
}
