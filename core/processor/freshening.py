"""Keeping the cache's values fresh, and its hot entries there, while this rtp leads.

A thread with connections of its own: deliveries go on meanwhile, and do not depend on it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from core.cache.reader import CacheReader
from core.cache.refresh import CacheRefresh
from core.cache.warm import warm
from core.errors import RtpError, ServiceUnavailable
from core.event import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.settings.models import Settings
    from core.term import Terms

_CHECK_SECONDS = 0.25
# After a page of 200 entries, which takes about 10 ms: PostgreSQL and Redis have others to serve.
_BETWEEN_PAGES_SECONDS = 0.01
_SHORTEST_INTERVAL_SECONDS = 0.5


class Freshening:
    """Warms the cache when a term begins; then compares each kind twice in its `max_staleness`, until told to stop."""

    def __init__(
        self, settings: Settings, terms: Terms, *, url: str, dsn: str, on_problem: Callable[[str], None]
    ) -> None:
        self.refreshed = 0
        self.warmed = 0
        self._settings = settings
        self._terms = terms
        self._refresh = CacheRefresh(settings, url=url, dsn=dsn)
        self._on_problem = on_problem
        self._told = ""
        cache = settings.redis.cache
        bounds = {kind: cache.max_staleness_seconds(kind) for kind in Kind}
        watched = {watch.kind for watch in settings.watches.values()}
        self._intervals = {
            kind: max(bound / 2, _SHORTEST_INTERVAL_SECONDS)
            for kind, bound in bounds.items()
            if bound and kind in watched
        }
        self._due: dict[Kind, float] = {}
        self._stopping = threading.Event()
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtp-cache", daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the thread to end after the page in hand."""
        self._stopping.set()
        self._halt.set()
        self._terms.wake()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread to end; false where it has not by then."""
        if self._thread.ident is None:  # stopped before it was started
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while self._terms.next(self._stopping, self._halt) is not None:
            is_warm = False
            self._due = dict.fromkeys(self._intervals, time.monotonic())
            while not self._halt.is_set():
                is_warm = is_warm or self._attempt(self._warm)
                self._attempt(self._compare)
                self._halt.wait(_CHECK_SECONDS)
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
                self._on_problem(f"the cache was not refreshed, trying again: {error}")
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
