"""`where:` of a DynamoDB table: which of its items are a watch's.

The conditions are those that Lambda's event filtering can judge of a stream's records: texts, numbers and booleans by
equality, the beginnings and ends of texts, and whether an attribute is there. Numbers cannot be compared there by size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import PlainSerializer, PlainValidator

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar = str | Decimal | bool
How = Literal["equals", "prefix", "suffix", "not", "exists"]
_HOWS: tuple[str, ...] = get_args(How)
_MOST_ALTERNATIVES = 20
_MOST_CONDITIONS = 20
_MOST_VALUES = 100
_LONGEST_TEXT = 1000
_MOST_DIGITS = 38  # of a number in DynamoDB
_FORMS = f"must be a value, a list of values, or one of {', '.join(f'{how}: …' for how in _HOWS)}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that an attribute's value may be: how it compares with one of these values, or with none for `not`."""

    how: How
    values: tuple[Scalar, ...]


Conditions = dict[str, tuple[Condition, ...]]
"""By an attribute's path, with dots: one of its conditions must hold. All attributes' must."""


def _read(written: Any) -> tuple[Conditions, ...]:
    several = written if isinstance(written, (list, tuple)) else [written]
    if not 1 <= len(several) <= _MOST_ALTERNATIVES:
        raise ValueError(f"must hold 1 to {_MOST_ALTERNATIVES} sets of conditions")
    return tuple(_conditions(one) for one in several)


def _conditions(written: Any) -> Conditions:
    if not isinstance(written, dict) or not written:
        raise ValueError("must be a mapping of attributes to what they must be, or a list of such mappings")
    if len(written) > _MOST_CONDITIONS:
        raise ValueError(f"must hold at most {_MOST_CONDITIONS} attributes")
    return {_path(path): _conditions_of(path, found) for path, found in written.items()}


def _path(written: Any) -> str:
    path = written if isinstance(written, str) else ""
    steps = path.split(".")
    if not all(steps) or len(path) > _LONGEST_TEXT:
        raise ValueError(f"has {written!r} for an attribute. Write its name, or a path like data.state")
    if "$or" in steps:
        raise ValueError("names an attribute $or, which is a word of Lambda's filters. Choose another attribute")
    return path


def _conditions_of(path: str, written: Any) -> tuple[Condition, ...]:
    several = written if isinstance(written, (list, tuple)) else [written]
    if not 1 <= len(several) <= _MOST_VALUES:
        raise ValueError(f"has {len(several)} values for {path}. Write 1 to {_MOST_VALUES}")
    return tuple(_condition(path, one) for one in several)


def _condition(path: str, written: Any) -> Condition:
    if not isinstance(written, dict):
        return Condition("equals", (_scalar(path, written),))
    if len(written) != 1 or not set(written) <= set(_HOWS):
        raise ValueError(f"has something else for {path}, which {_FORMS}")
    ((how, value),) = written.items()
    if how in ("prefix", "suffix") and not (isinstance(value, str) and value):
        raise ValueError(f"has no text for {path}'s {how}. Write some, in quotes where YAML takes it for a number")
    if how == "exists" and not isinstance(value, bool):
        raise ValueError(f"has neither true nor false for {path}'s exists")
    if how != "not":
        return Condition(how, (_scalar(path, value),))
    values = tuple(_scalar(path, one) for one in (value if isinstance(value, (list, tuple)) else [value]))
    if not values or any(isinstance(one, bool) for one in values) or len({type(one) for one in values}) > 1:
        raise ValueError(f"must have texts only, or numbers only, for {path}'s not")
    return Condition("not", values)


def _scalar(path: str, written: Any) -> Scalar:
    if isinstance(written, bool):
        return written
    if isinstance(written, (int, float, Decimal)):
        number = Decimal(str(written))
        if not number.is_finite() or max(abs(number.adjusted()), len(number.as_tuple().digits)) > _MOST_DIGITS:
            raise ValueError(f"has a number for {path} that DynamoDB cannot hold")
        return number
    if isinstance(written, str) and len(written) <= _LONGEST_TEXT and not re.search("[\ud800-\udfff]", written):
        return written
    raise ValueError(f"has {'nothing' if written is None else 'something else'} for {path}, which {_FORMS}")


def number_text(number: Decimal) -> str:
    """A number as DynamoDB writes it: no exponent, no zeros that say nothing."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if number else "0"


def _written(where: tuple[Mapping[str, tuple[Condition, ...]], ...] | None) -> Any:
    return where and [
        {path: [_spelled(one) for one in found] for path, found in conditions.items()} for conditions in where
    ]


def _spelled(condition: Condition) -> Any:
    values = [_plain(value) for value in condition.values]
    return {condition.how: values if condition.how == "not" else values[0]}


def _plain(value: Scalar) -> Any:
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


Where = Annotated[tuple[Conditions, ...] | None, PlainValidator(_read), PlainSerializer(_written, when_used="json")]
"""Sets of conditions, one of which must hold; None is only where nothing is written, and holds for all items."""
