"""One message on its way through an Apprise plugin: what it was answered, and what Apprise says about it."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from core.sinks.webhook.connection import WebAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.adapters import HTTPAdapter

_TOO_MANY_REQUESTS = 429
_APPRISE = logging.getLogger("apprise")


@dataclass(frozen=True)
class Unanswered:
    """A request that got no answer, or none that can be read; why."""

    reason: str


class Attempt:
    """Requests that are made while it is under way go over `transport`."""

    def __init__(self, transport: HTTPAdapter) -> None:
        self.transport = transport
        self.answers: list[WebAnswer | Unanswered] = []
        self.remarks: list[str] = []
        self.wait_seconds = 0.0
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    @property
    def last(self) -> WebAnswer | Unanswered | None:
        """The newest answer."""
        return self.answers[-1] if self.answers else None

    def check(self) -> None:
        """Let no further request go out once it is cut, or the service has asked for a pause: some plugins insist."""
        if self._is_cut or (isinstance(self.last, WebAnswer) and self.last.status == _TOO_MANY_REQUESTS):
            raise requests.ConnectionError

    def listens_to(self, connection_socket: socket.socket | None) -> None:
        """This is where the next answer comes from."""
        with self._lock:
            self._socket = connection_socket
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End it: each bit of an answer may come in time, and all of it never."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # of TLS, too: its own waits for a last word

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Requests and remarks of this thread are the attempt's within the block."""
        token = _UNDER_WAY.set(self)
        try:
            yield
        finally:
            _UNDER_WAY.reset(token)


_UNDER_WAY: ContextVar[Attempt | None] = ContextVar("rtp_notify_attempt", default=None)


def attempt_under_way() -> Attempt | None:
    """This thread's."""
    return _UNDER_WAY.get()


def pause(last_io: Any = None, wait: float | None = None) -> None:
    """In the place of a plugin's pauses. Where it has been told to wait, the message waits instead of a thread."""
    attempt = _UNDER_WAY.get()
    if wait and attempt is not None:
        attempt.wait_seconds = wait
        raise requests.ConnectionError


def _remark(record: logging.LogRecord) -> bool:
    """Keep what tells of a failure, and let nothing through to any log."""
    if (attempt := _UNDER_WAY.get()) is not None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception: " in text:
            attempt.remarks.append(text)
    return False


_APPRISE.setLevel(logging.DEBUG)
_APPRISE.addFilter(_remark)
