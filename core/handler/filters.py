"""`where:` as Lambda's FilterCriteria: records of other items never invoke the function.

Only stream records of items that leave or enter a watch, or stay in it, pass: either image may fit. What passes and is
no watch's is passed over by the handler all the same, as it judges `where:` by the same rules.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError
from core.handler.where import item_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.handler.where import Alternative
    from core.settings.models import Settings

MOST_FILTERS = 5
"""Of an event source mapping, by its default quota."""
_LONGEST_PATTERN = 4096
_MOST_ALTERNATIVES = 1000
_RESERVED_WITHIN_OR = frozenset(
    (
        *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr"),
        *("=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-before"),
        *("date-on-or-after", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range"),
    )
)
"""Names of attributes that would make Lambda take `$or` itself for an attribute."""


def filter_patterns(settings: Settings, table: str) -> tuple[str, ...]:
    """The patterns of the filters for a table's event source mapping, of which one must fit; none: all records pass.

    Raises SettingsError where `where` has more to say than filters have room for.
    """
    wheres = [one.where for one in settings.dynamodb.tables.values() if one.table == table]
    if None in wheres:
        return ()
    found = (one for where in wheres for one in item_filter(where or ()).alternatives())
    alternatives = list(islice(found, _MOST_ALTERNATIVES + 1))
    patterns = list(dict.fromkeys(map(_json, _each_image(alternatives))))
    filters = [_one_of(patterns[start::MOST_FILTERS]) for start in range(min(MOST_FILTERS, len(patterns)))]
    if len(alternatives) > _MOST_ALTERNATIVES or any(len(one) > _LONGEST_PATTERN for one in filters):
        what = f"has more to say than Lambda's {MOST_FILTERS} filters of {_LONGEST_PATTERN} characters hold"
        raise SettingsError(f"dynamodb.tables: `where` of table {table} {what}", "Write fewer conditions")
    return tuple(filters)


def _each_image(alternatives: Sequence[Alternative]) -> Iterator[Mapping[str, Any]]:
    for alternative in alternatives:
        for image in ("NewImage", "OldImage"):
            nested: dict[str, Any] = {}
            for (*way, last), rules in alternative.items():
                target = nested
                for step in (image, *way):
                    target = target.setdefault(step, {})
                target[last] = list(rules)
            yield nested


def _one_of(patterns: Sequence[str]) -> str:
    """One filter for several patterns. A single one does without `$or`, which fewer tools know."""
    if len(patterns) == 1:
        return f'{{"dynamodb":{patterns[0]}}}'
    if taken := next(filter(_RESERVED_WITHIN_OR.__contains__, _names([json.loads(one) for one in patterns])), None):
        raise SettingsError(
            f"dynamodb.tables: `where` names an attribute {taken}, which Lambda's filters have a word for",
            "Write fewer conditions, so that there are two alternatives at most, or choose another attribute",
        )
    return f'{{"dynamodb":{{"$or":[{",".join(patterns)}]}}}}'


def _names(patterns: Sequence[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, dict):
            yield from pattern
            yield from _names(list(pattern.values()))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
