"""Keeping the cache's values fresh, and its hot entries there, while this rtp leads.

A thread with connections of its own: deliveries go on meanwhile, and do not depend on it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.cache.reader import CacheReader
from core.cache.refresh import CacheRefresh
from core.cache.warm import warm
from core.errors import RtpError, ServiceUnavailable
from core.kinds import SHIPPED
from core.leading.loop import Loop
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.leading.epoch import Epoch, Epochs
    from core.settings.models import Settings

_CHECK_SECONDS = 0.25
# After a page of 200 entries, which takes about 10 ms: PostgreSQL and Redis have others to serve.
_BETWEEN_PAGES_SECONDS = 0.01
_SHORTEST_INTERVAL_SECONDS = 0.5


class CacheRefresher(Loop):
    """Warms the cache when an epoch begins; then compares each kind twice in its `max_staleness`."""

    def __init__(
        self, settings: Settings, epochs: Epochs, *, url: str, dsn: str, on_problem: Callable[[Problem], None]
    ) -> None:
        super().__init__("cache", epochs)
        self.refreshed = 0
        self.warmed = 0
        self._settings = settings
        self._refresh = CacheRefresh(settings, url=url, dsn=dsn)
        self._on_problem = on_problem
        self._told = ""
        cache = settings.redis.cache
        bounds = {kind: cache.max_staleness_seconds(kind) for kind in SHIPPED}
        watched: set[str] = {watch.kind for watch in settings.watches.values()}
        self._intervals: dict[str, float] = {
            kind: max(bound / 2, _SHORTEST_INTERVAL_SECONDS)
            for kind, bound in bounds.items()
            if bound and kind in watched
        }
        self._due: dict[str, float] = {}

    def _serve(self, epoch: Epoch) -> None:
        is_warm = False
        self._due = dict.fromkeys(self._intervals, time.monotonic())
        while not self._halt.is_set():
            is_warm = is_warm or self._attempt(self._warm)
            self._attempt(self._compare)
            self._halt.wait(_CHECK_SECONDS)

    def _finish(self) -> None:
        self._refresh.close()

    def _attempt(self, work: Callable[[], None]) -> bool:
        try:
            work()
            self._told = ""
        except ServiceUnavailable:
            return False  # the sinks' loops say so
        except RtpError as error:
            if str(error) != self._told:
                self._told = str(error)
                text = f"the cache was not refreshed, trying again: {error}"
                self._on_problem(Problem(text, "cache", facts={"service": "Redis"}))
            return False
        return True

    def _warm(self) -> None:
        if limit := self._settings.redis.cache.warm_entries:
            with CacheReader(self._settings, is_counted=False) as reader:
                self.warmed += warm(reader, limit, may_go_on=self._may_go_on).filled

    def _compare(self) -> None:
        now = time.monotonic()
        for kind in [kind for kind, due in self._due.items() if due <= now]:
            done = self._refresh.compare(kind, may_go_on=self._may_go_on)
            if done is None:
                return
            self.refreshed += done.refreshed
            self._due[kind] = now + self._intervals[kind]

    def _may_go_on(self) -> bool:
        return not self._halt.wait(_BETWEEN_PAGES_SECONDS)
