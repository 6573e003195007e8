"""The names in Redis and SQS, from the functions that make them and from what these say of themselves."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from core import redis_names
from documents.described import described, one_line
from documents.table import table
from rtp_client import keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_BASELINE = "rtp:baseline:~watch~:~chain~:~entity~"


def names_page() -> str:
    """The page."""
    return (
        "\n\n".join(
            [
                "# Names in Redis and SQS",
                "Written from the functions in `rtp_client/keys.py` and `core/redis_names.py` that make the names."
                " Parts in `<…>` come from your data and are percent-encoded: no protocol called `a:b*` collides with"
                " another, or widens a pattern. In a Redis Cluster (`?cluster=true` in the address) all of them share"
                " one slot.",
                "## For readers",
                "`rtp_client` makes these names (`cache_key`, `channel`, …), so that a service need not spell them."
                " [The cache's contract](cache.md) has the rest.",
                table(("name in Redis", "by", ""), _names_in(keys)),
                "## Groups in SQS",
                table(
                    ("attribute", "is", ""),
                    [
                        ("`MessageGroupId`", f"`{_shown(keys.partition_key)}`", one_line(keys.sqs_group_id.__doc__)),
                        ("`MessageDeduplicationId`", "the event's `id`", "The same on every redelivery."),
                    ],
                ),
                "## rtp's own",
                "Nobody else should read or write these; they may change with any version.",
                table(("name in Redis", "by", ""), sorted(_names_in(redis_names))),
            ]
        )
        + "\n"
    )


def _names_in(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """The module's constants and functions that are a name, in their order. What holds a `*` only matches names."""
    for called, told in described(module):
        made = vars(module)[called]
        name = _shown(made) if callable(made) else str(made)
        if name.startswith("rtp:") and "*" not in name:
            yield f"`{name}`", f"`{called}`", told


def _shown(makes_name: Any) -> str:
    """The name as the function makes it, with what comes from data in brackets; empty where it makes none."""
    signature = inspect.signature(makes_name)
    needed = [one.name for one in signature.parameters.values() if one.default is one.empty]
    made = signature.return_annotation == "str" and makes_name(
        **{one: _BASELINE if one == "baseline" else f"~{one}~" for one in needed}
    )
    return re.sub(r"~(\w+)~", r"<\1>", str(made))
