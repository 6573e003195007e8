"""What a running rtp says of watches that are not armed: when that begins, now and then meanwhile, and when it ends."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from core.arming.look import WatchArming

_AGAIN_SECONDS = 600.0
_TAKEN_IN = "`rtp install-triggers` has taken in what its table held by then"
_NOT_JUDGED = (
    "What was written meanwhile may not have been judged: `rtp install-triggers` judges what its table holds,"
    " triggers.rearm does so at once"
)


@dataclass
class _Trouble:
    since: datetime
    began_at: float
    installed_at: datetime | None
    told: str = ""
    told_at: float = 0.0


class ArmingAlarm:
    """Knows the watches that are not armed; since one look before, when they may have been."""

    def __init__(
        self,
        on_problem: Callable[[Problem], None],
        *,
        rearms: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_problem = on_problem
        self._rearms = rearms
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}
        self._looked_at = clock()

    def note(self, watches: Iterable[WatchArming]) -> list[WatchArming]:
        """Tell of those that are not armed, as far as that is news; those that are armed again."""
        seen = {watch.watch: watch for watch in watches}
        for watch in seen.values():
            if not watch.is_armed:
                new = _Trouble(datetime.now(UTC), self._looked_at, watch.installed_at)
                self._tell_of(watch, self._troubles.setdefault(watch.watch, new))
        self._looked_at = self._clock()
        self._troubles = {name: trouble for name, trouble in self._troubles.items() if name in seen}
        return [seen[name] for name in self._troubles if seen[name].is_armed]

    def since(self) -> dict[str, datetime]:
        """The watches that are not armed, and when that was found."""
        return {name: trouble.since for name, trouble in self._troubles.items()}

    def ended(self, watch: WatchArming, outcome: str | None) -> None:
        """Tell that a watch is armed again, and what became of what was written meanwhile, where rtp saw to that."""
        trouble = self._troubles.pop(watch.watch)
        seconds = self._clock() - trouble.began_at
        if outcome is None:
            outcome = _NOT_JUDGED if watch.installed_at == trouble.installed_at else _TAKEN_IN
        text = f"watch {watch.watch} is armed again, after up to {seconds:,.1f} s. {outcome}"
        facts = {"watch": watch.watch, "unarmed_seconds": round(seconds, 3)}
        self._on_problem(Problem(text, "arming", logging.INFO, facts))

    def _tell_of(self, watch: WatchArming, trouble: _Trouble) -> None:
        now = self._clock()
        text = str(watch)
        if self._rearms and watch.is_rearmable:
            text = f"watch {watch.watch} is not armed: {watch.cause}. It is installed again now (triggers.rearm)"
        if text == trouble.told and now - trouble.told_at < _AGAIN_SECONDS:
            return
        trouble.told, trouble.told_at = text, now
        facts = {"watch": watch.watch, "table": watch.table, "cause": watch.cause, "remedy": watch.remedy}
        self._on_problem(Problem(text, "arming", facts=facts))
