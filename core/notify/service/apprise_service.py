"""A service that brings messages to people, through Apprise."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING

from apprise import NotifyFormat, NotifyType, OverflowMode

from core.notify.answer import Accepted, Later
from core.notify.service.addresses import plugin_for, secrets_of
from core.notify.service.attempt import Attempt
from core.notify.service.meaning import meaning_of
from core.notify.service.transport import Transport
from core.notify.words.manner import manner_of
from core.services.daemon_pool import DaemonPool
from rtp_client.event import Severity

if TYPE_CHECKING:
    from apprise.plugins import NotifyBase

    from core.notify.answer import Answer
    from core.notify.words.manner import Format, Manner
    from core.notify.words.message import Message

_TYPES = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}
_MOST_LINES = 16
_LONGEST_IDLE_SECONDS = 60.0
# For an attempt that is cut to notice it.
_LAST_SECONDS = 0.5


class AppriseService:
    """One destination's service, for any threads. `tell` takes no longer than `timeout_seconds`.

    An attempt that does not end by then is cut. What cannot be cut, such as the look-up of a name, may last; it keeps
    its line, and once every line is kept nothing more is sent.
    """

    def __init__(self, address: str, *, place: str, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._new_plugin = partial(plugin_for, address, place, timeout_seconds)
        self._plugin = self._new_plugin()
        self._hidden = secrets_of(address)
        self._transport = Transport(pool_maxsize=_MOST_LINES)
        self._lock = threading.Lock()
        self._free = deque([_Line(self._plugin)])
        self._lines = 1
        self._last_used = 0.0
        self._is_closed = False

    @property
    def kind(self) -> str:
        """What people call the service, e.g. Telegram."""
        return str(self._plugin.service_name)

    @property
    def scheme(self) -> str:
        """What Apprise's addresses of the service begin with, whatever the one that was given does."""
        return str(self._plugin.schema)

    def manner(self, written_in: Format | None = None) -> Manner:
        """How it wants its messages, where the template is written in this format; None: in any."""
        return manner_of(self._plugin, written_in)

    def tell(self, message: Message) -> Answer:
        """Send a message, and say what became of it."""
        line = self._take_line()
        if line is None:
            return Later("its earlier attempts have not ended", is_away=True)
        attempt = Attempt(self._transport)
        sending = line.pool.submit(_send, line.plugin, attempt, message)
        sending.add_done_callback(lambda _: self._give_back(line))
        if wait([sending], self._timeout_seconds).done:
            return meaning_of(attempt, is_sent=sending.result(), hidden=self._hidden)
        attempt.cut()
        is_sent = bool(wait([sending], _LAST_SECONDS).done) and sending.result()
        return Accepted() if is_sent else Later(f"no answer within {self._timeout_seconds:g} s", is_away=True)

    def close(self) -> None:
        """Give up the connections. What is under way is not waited for, and nothing may be sent any more."""
        with self._lock:
            self._is_closed = True
            for line in self._free:
                line.end()
        self._transport.end()

    def _take_line(self) -> _Line | None:
        with self._lock:
            now = time.monotonic()
            if now - self._last_used > _LONGEST_IDLE_SECONDS:
                self._transport.end()  # a connection that was idle for long may be gone without a word
            self._last_used = now
            if self._free:
                return self._free.pop()
            if self._lines == _MOST_LINES:
                return None
            self._lines += 1
        return _Line(self._new_plugin())

    def _give_back(self, line: _Line) -> None:
        with self._lock:
            if self._is_closed:
                line.end()
            self._free.append(line)


class _Line:
    """A plugin and the thread that sends by it. Plugins are not made for several threads."""

    def __init__(self, plugin: NotifyBase) -> None:
        self.plugin = plugin
        self.pool = DaemonPool(1, name="rtp-notify-line")

    def end(self) -> None:
        self.pool.shutdown(wait=False)


def _send(plugin: NotifyBase, attempt: Attempt, message: Message) -> bool:
    with attempt.under_way():
        try:
            return bool(
                plugin.notify(
                    title=message.title,
                    body=message.body,
                    notify_type=_TYPES[message.severity],
                    body_format=NotifyFormat(message.format),
                    body_passthrough=message.is_final or None,
                    overflow=OverflowMode.TRUNCATE,
                )
            )
        except Exception as error:  # noqa: BLE001 - a plugin is somebody else's, and may fail in any way
            attempt.remarks.append(f"Apprise failed: {type(error).__name__}")
            return False
