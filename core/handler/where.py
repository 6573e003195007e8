"""Which items of a table are a watch's, as Lambda's event filtering would judge it.

A filter knows only leaves of a record's JSON, such as `NewImage.data.M.state.S`. So `where:` becomes alternatives: each
says of some leaves what they must be, in Lambda's own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

from core.settings.where import number_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.where import Condition, Conditions, How, Scalar

Leaf = tuple[str, ...]
"""The way to a leaf: names of attributes, and the types in between and behind them."""
Rules = Sequence[Any]
"""What a leaf may be: texts and booleans that it equals, or one of Lambda's operators with its operand."""
Alternative = Mapping[Leaf, Rules]

_SCALARS = ("S", "N", "BOOL", "NULL", "B")


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """The items of a watch. `sets` are the sets of conditions, and each has for each attribute what it may be."""

    sets: Sequence[Sequence[Sequence[Alternative]]]

    def holds(self, image: Mapping[str, Any]) -> bool:
        """Whether an item is one of the watch's."""
        return any(all(any(_fit(image, one) for one in options) for options in found) for found in self.sets)

    def alternatives(self) -> Iterator[Alternative]:
        """The same as alternatives, of which one must hold. They can be very many."""
        for found in self.sets:
            for chosen in product(*found):
                yield {leaf: rules for option in chosen for leaf, rules in option.items()}


def item_filter(where: Sequence[Conditions]) -> ItemFilter:
    """The filter that `where:` asks for."""
    return ItemFilter(
        [[_options(path.split("."), found) for path, found in conditions.items()] for conditions in where]
    )


def _options(steps: Sequence[str], conditions: Sequence[Condition]) -> list[Alternative]:
    """What the leaves of one attribute may be. A value has one type, so each type is an option of its own."""
    attribute = (*(part for step in steps for part in (step, "M")),)[:-1]
    by_type: dict[str, list[Any]] = {}
    options: list[Alternative] = []
    for how, (value, *others) in ((condition.how, condition.values) for condition in conditions):
        if how == "exists" and value:
            options += [{(*attribute, kind): [{"exists": True}]} for kind in _SCALARS]
        elif how == "exists":
            options.append({(*attribute, kind): [{"exists": False}] for kind in _SCALARS})
        else:
            by_type.setdefault(_type(value), []).append(_rule(how, value, *others))
    return [*({(*attribute, kind): rules} for kind, rules in by_type.items()), *options]


def _rule(how: How, value: Scalar, *others: Scalar) -> Any:
    if how == "not":
        return {"anything-but": [_spelled(one) for one in (value, *others)]}
    return _spelled(value) if how == "equals" else {how: value}


def _type(value: Scalar) -> str:
    return "BOOL" if isinstance(value, bool) else "N" if isinstance(value, Decimal) else "S"


def _spelled(value: Scalar) -> str | bool:
    return number_text(value) if isinstance(value, Decimal) else value


def _fit(image: Mapping[str, Any], alternative: Alternative) -> bool:
    return all(any(_obeys(_value_at(image, leaf), rule) for rule in rules) for leaf, rules in alternative.items())


def _value_at(image: Mapping[str, Any], leaf: Leaf) -> Any:
    """The leaf's value; None where there is none."""
    found: Any = image
    for step in leaf:
        found = found.get(step) if isinstance(found, Mapping) else None
        if found is None:
            return None
    return found


def _obeys(value: Any, rule: Any) -> bool:
    match rule:
        case {"exists": must_exist}:
            return (value is not None) is must_exist
        case {"prefix": text}:
            return isinstance(value, str) and value.startswith(text)
        case {"suffix": text}:
            return isinstance(value, str) and value.endswith(text)
        case {"anything-but": others}:
            return value is not None and value not in others
        case _:
            return value is not None and value == rule and isinstance(value, bool) is isinstance(rule, bool)
