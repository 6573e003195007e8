"""One connection to a webhook, kept between requests. No answer takes longer than the settings allow, not even in bits.

What urllib3 says is not passed on: its messages and its log name the address, which may hold secrets.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, RemoteDisconnected
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as NoAnswerInTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logging.getLogger("urllib3.connection").setLevel(logging.CRITICAL)

_FAILURES = (HTTPError, HTTPException, OSError, ValueError)
_SENTENCES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (  # the first that fits
    (NameResolutionError, "its name is not known"),
    (ConnectTimeoutError, "no connection within {seconds:g} s"),
    ((TimeoutError, NoAnswerInTime), "no answer within {seconds:g} s"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted: {error.verify_message}"),
    (ssl.SSLError, "TLS failed: {error.reason}"),
    (RemoteDisconnected, "it closed the connection without an answer"),
    (OSError, "{error.strerror}"),
    (Exception, "its answer cannot be read"),
)
ABANDONED = "rtp stops before the answer"
# Of an answer's body: enough to tell why.
_MOST_BYTES = 65_536


class NoAnswer(Exception):
    """There was no connection, or no answer that can be read; the message says why."""


@dataclass(frozen=True)
class WebAnswer:
    """What the server said; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def failure_in_words(error: Exception, seconds: float) -> str:
    """Why there was no connection or no answer, without the address."""
    if type(error) is NewConnectionError and isinstance(error.__cause__, OSError):
        error = error.__cause__
    sentence = next(sentence for types, sentence in _SENTENCES if isinstance(error, types))
    return sentence.format(error=error, seconds=seconds)


class WebhookConnection:
    """For one thread at a time; `cut_if_overdue` and `abandon` for any."""

    def __init__(self, url: str, timeout_seconds: float, tls: ssl.SSLContext | None) -> None:
        address = urlsplit(url)
        self._target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        self._timeout_seconds = timeout_seconds
        self._overdue_at: float | None = None
        self._is_abandoned = False
        self._socket: socket.socket | None = None  # the answer may have taken it over from the connection
        host = address.hostname or ""
        if tls is None:
            self._connection = HTTPConnection(host, address.port, timeout=timeout_seconds)
        else:
            self._connection = HTTPSConnection(host, address.port, timeout=timeout_seconds, ssl_context=tls)

    def ask(self, method: str, body: bytes, headers: Mapping[str, str], check: Callable[[], None]) -> WebAnswer:
        """Send a request and read the answer. Raises NoAnswer.

        `check` is called last before the request goes out, and again before it is repeated.
        """
        try:
            if self._connection.is_connected:
                check()
                # A server may close a connection that it has kept in the very moment that the request goes out.
                with contextlib.suppress(ConnectionError):
                    return self._exchange(method, body, headers)
            if self._is_abandoned:
                raise TimeoutError
            self._connection.close()  # what may be left of one that the server has closed
            self._connection.connect()
            check()
            return self._exchange(method, body, headers)
        except _FAILURES as error:
            self._connection.close()
            raise NoAnswer(self._reason(error)) from None
        finally:
            self._overdue_at = None

    def _exchange(self, method: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        text, is_read = b"", False
        self._socket, self._overdue_at = self._connection.sock, time.monotonic() + self._timeout_seconds
        try:
            self._connection.request(method, self._target, body, headers, preload_content=False)
            response = self._connection.getresponse()
            if self._has_to_end:  # headers that are cut off look as if they were all
                raise TimeoutError
            with contextlib.suppress(*_FAILURES):  # the status has said it all
                text = response.read(_MOST_BYTES, decode_content=False)
                is_read = len(text) < _MOST_BYTES
        except ConnectionError:
            if self._has_to_end:
                raise TimeoutError from None
            raise
        finally:
            if not is_read:
                self._connection.close()
        return WebAnswer(response.status, {name.lower(): value for name, value in response.headers.items()}, text)

    def cut_if_overdue(self) -> None:
        """End a request whose answer has taken too long: each bit of it may have come in time."""
        if self._is_overdue:
            self._cut()

    def abandon(self) -> None:
        """End a request under way; there will be no other."""
        self._is_abandoned = True
        self._cut()

    def _cut(self) -> None:
        if (sock := self._socket) is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TLS, too: its own would wait for a last word

    @property
    def _has_to_end(self) -> bool:
        return self._is_abandoned or self._is_overdue

    @property
    def _is_overdue(self) -> bool:
        return self._overdue_at is not None and time.monotonic() > self._overdue_at

    def close(self) -> None:
        """Give the connection back; the next request makes a new one."""
        self._connection.close()

    def _reason(self, error: Exception) -> str:
        if self._is_abandoned:
            return ABANDONED
        if self._is_overdue and type(error) is not NewConnectionError:
            error = TimeoutError()
        return failure_in_words(error, self._timeout_seconds)
