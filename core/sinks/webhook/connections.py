"""The connections of one webhook, and who sees to it that no answer on them takes too long."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import wait
from typing import TYPE_CHECKING

from core.services.daemon_pool import DaemonPool
from core.sinks.webhook.connection import ABANDONED, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.sinks.webhook.connection import WebAnswer, WebhookConnection

_CUT_INTERVAL_SECONDS = 0.2


class WebhookConnections:
    """For threads, no more at a time than there are connections."""

    def __init__(self, connections: Sequence[WebhookConnection], *, name: str) -> None:
        self._all = connections
        self._free = deque(connections)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._is_abandoned = False
        self._is_watched = False
        self._watcher = DaemonPool(1, name=f"rtp-{name}-watch")
        self._asker = DaemonPool(1, name=f"rtp-{name}-ask")

    def ask(
        self, method: str, body: bytes, headers: Mapping[str, str], check: Callable[[], None] = lambda: None
    ) -> WebAnswer:
        """Send a request over a free connection and read the answer, as `WebhookConnection.ask` does."""
        with self._lock:
            connection = self._free.pop()
            if not self._is_watched:
                self._is_watched = True
                self._watcher.submit(self._watch)
        try:
            return connection.ask(method, body, headers, check)
        finally:
            with self._lock:
                self._free.append(connection)

    def ask_apart(self, method: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        """As `ask`, and raises NoAnswer once abandoned: what cannot be cut may last, such as the look-up of a name."""
        asking = self._asker.submit(self.ask, method, body, headers)
        while wait([asking], _CUT_INTERVAL_SECONDS).not_done and not self._is_abandoned:
            pass
        if wait([asking], _CUT_INTERVAL_SECONDS).not_done:
            raise NoAnswer(ABANDONED)
        return asking.result()

    def abandon(self) -> None:
        """End the requests under way; there will be no others."""
        self._is_abandoned = True
        for connection in self._all:
            connection.abandon()

    def close(self) -> None:
        """Give up the connections. No request may be under way, unless all is abandoned."""
        self._ending.set()
        for pool in (self._watcher, self._asker):
            pool.shutdown(wait=not self._is_abandoned)
        for connection in self._all:
            connection.close()

    def _watch(self) -> None:
        """Cut what is overdue, until no request is under way."""
        while self._has_requests():
            self._ending.wait(_CUT_INTERVAL_SECONDS)
            for connection in self._all:
                connection.cut_if_overdue()

    def _has_requests(self) -> bool:
        with self._lock:
            self._is_watched = len(self._free) < len(self._all) and not self._ending.is_set()
            return self._is_watched
