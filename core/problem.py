"""What a person should hear of: a sentence, and beside it the facts in it, for logs that machines read."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_EVENT_IDS = 20


@dataclass(frozen=True)
class Problem:
    """A sentence, and the facts in it.

    `component` names the part of rtp that tells; `level` is one of logging's. Facts are JSON-ready and hold no secrets.
    """

    text: str
    component: str
    level: int = logging.WARNING
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text


def event_facts(event_ids: Collection[str]) -> dict[str, Any]:
    """Which events something concerns: how many, and the first ids."""
    return {"events": len(event_ids), "event_ids": list(event_ids)[:MOST_EVENT_IDS]}


def counted(number: int, one: str, many: str = "") -> str:
    """`1 event`, `2 events`; `many` where that is more than an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
