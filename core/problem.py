"""What a person should hear of: a sentence, and beside it the facts in it, for logs that machines read."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

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


class LastingProblem:
    """Something that is told once while it lasts, and then its end."""

    def __init__(self, component: str, on_problem: Callable[[Problem], None]) -> None:
        self._component = component
        self._on_problem = on_problem
        self._is_told = False
        self._cause = ""

    def tell(self, text: str, *, facts: Mapping[str, Any] | None = None, cause: str = "") -> None:
        """Tell of it, unless that is done; of another cause, again."""
        if not self._is_told or cause != self._cause:
            self._is_told, self._cause = True, cause
            self._on_problem(Problem(text, self._component, facts=facts or {}))

    def is_over(self, text: str) -> None:
        """Tell of its end, if it was told of."""
        if self._is_told:
            self._is_told = False
            self._on_problem(Problem(text, self._component, logging.INFO))


def event_facts(event_ids: Collection[str]) -> dict[str, Any]:
    """Which events something concerns: how many, and the first ids."""
    return {"events": len(event_ids), "event_ids": list(event_ids)[:MOST_EVENT_IDS]}


def counted(number: int, one: str, many: str = "") -> str:
    """`1 event`, `2 events`; `many` where that is more than an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
