"""What a running rtp says of watches that are not armed: when that begins, now and then meanwhile, and when it ends."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from core.arming.look import WatchArming

_AGAIN_SECONDS = 600.0


@dataclass
class _Trouble:
    began_at: float
    told: str = ""
    told_at: float = 0.0


class ArmingAlarm:
    """Knows the watches that are not armed; since one look before, when they may have been."""

    def __init__(self, on_problem: Callable[[Problem], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._on_problem = on_problem
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}
        self._looked_at = clock()

    def note(self, watches: Iterable[WatchArming]) -> list[str]:
        """Tell of those that are not armed, as far as that is news; the names of those that are armed again."""
        seen = {watch.watch: watch for watch in watches}
        for watch in seen.values():
            if not watch.is_armed:
                self._tell_of(watch, self._troubles.setdefault(watch.watch, _Trouble(self._looked_at)))
        self._looked_at = self._clock()
        self._troubles = {name: trouble for name, trouble in self._troubles.items() if name in seen}
        return [name for name in self._troubles if seen[name].is_armed]

    def ended(self, watch: str, outcome: str) -> None:
        """Tell that a watch is armed again, and what became of what was written meanwhile."""
        seconds = self._clock() - self._troubles.pop(watch).began_at
        text = f"watch {watch} is armed again, after up to {seconds:,.1f} s. {outcome}"
        facts = {"watch": watch, "unarmed_seconds": round(seconds, 3)}
        self._on_problem(Problem(text, "arming", logging.INFO, facts))

    def _tell_of(self, watch: WatchArming, trouble: _Trouble) -> None:
        now = self._clock()
        if str(watch) == trouble.told and now - trouble.told_at < _AGAIN_SECONDS:
            return
        trouble.told, trouble.told_at = str(watch), now
        facts = {"watch": watch.watch, "table": watch.table, "cause": watch.cause, "remedy": watch.remedy}
        self._on_problem(Problem(str(watch), "arming", facts=facts))
