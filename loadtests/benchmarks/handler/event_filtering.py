"""Lambda's event filtering, as AWS documents it for DynamoDB Streams and, for the syntax, EventBridge.

A record is the set of its JSON's leaves, and a filter's pattern asks for leaves: all that it names must be there, each
with one of the values or operators in its list. A field that is no leaf does not exist to it; names are joined with
dots. Of several filters one must fit. Only what is in the record's `dynamodb` can be asked for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Leaves = dict[str, list[Any]]


def passing(patterns: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Which records an event source mapping with these patterns hands to its function; without any, all."""
    wanted = [json.loads(pattern) for pattern in patterns]

    def passes(record: Mapping[str, Any]) -> bool:
        leaves: Leaves = {}
        for path, value in _leaves(record["dynamodb"], "dynamodb"):
            leaves.setdefault(path, []).append(value)
        return not wanted or any(_fits(pattern, leaves, "") for pattern in wanted)

    return passes


def _leaves(part: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(part, dict):
        for name, member in part.items():
            yield from _leaves(member, f"{path}.{name}")
    elif isinstance(part, list):
        for member in part:
            yield from _leaves(member, path)
    else:
        yield path, part


def _fits(pattern: Mapping[str, Any], leaves: Leaves, path: str) -> bool:
    return all(_one_fits(name, wanted, leaves, f"{path}.{name}".lstrip(".")) for name, wanted in pattern.items())


def _one_fits(name: str, wanted: Any, leaves: Leaves, path: str) -> bool:
    if name == "$or":
        return any(_fits(one, leaves, path.removesuffix("$or").rstrip(".")) for one in wanted)
    if isinstance(wanted, dict):
        return _fits(wanted, leaves, path)
    return any(_rule_fits(rule, leaves.get(path, [])) for rule in wanted)


def _rule_fits(rule: Any, values: Sequence[Any]) -> bool:
    if not isinstance(rule, dict):
        return any(type(value) is type(rule) and value == rule for value in values)
    ((operator, operand),) = rule.items()
    texts = [value for value in values if isinstance(value, str)]
    match operator:
        case "exists":
            return bool(values) is operand
        case "prefix":
            return any(text.startswith(operand) for text in texts)
        case "suffix":
            return any(text.endswith(operand) for text in texts)
        case "anything-but":
            return bool(values) and all(value not in operand for value in values)
    raise ValueError(f"{operator} is no operator for a DynamoDB stream")
