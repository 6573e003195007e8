"""What a person should hear of: a sentence, and beside it the facts in it, for logs that machines read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_EVENT_IDS = 20


class Problem(str):
    """A sentence that knows its facts. Whoever only wants to show it takes it as the text that it is.

    `component` names the part of rtp that tells; `level` is one of logging's. Facts are JSON-ready and hold no secrets.
    """

    component: str
    level: int
    facts: Mapping[str, Any]

    def __new__(cls, text: str, component: str, *, level: int = logging.WARNING, **facts: Any) -> Self:
        """A sentence, and its facts."""
        problem = super().__new__(cls, text)
        problem.component, problem.level, problem.facts = component, level, facts
        return problem


def event_facts(event_ids: Collection[str]) -> dict[str, Any]:
    """Which events something concerns: how many, and the first ids."""
    return {"events": len(event_ids), "event_ids": list(event_ids)[:MOST_EVENT_IDS]}


def counted(events: Collection[object]) -> str:
    """`1 event`, `2 events`."""
    return f"{len(events):,} event{'' if len(events) == 1 else 's'}"
