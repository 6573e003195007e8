"""HTTP/1.1 connections to one address, each for one exchange at a time, kept open and used again.

Written by hand for its CPU: urllib3 reads an answer's head as that of a mail.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

from core.services.http_answer import AnswerReader, BrokenAnswer

if TYPE_CHECKING:
    from pathlib import Path

    from core.services.http_answer import RawAnswer


class HttpConnections:
    """For threads: as many connections as exchanges at a time. Failures are raised as botocore's exceptions.

    `trusted` is a file of the certificates that are trusted.
    """

    def __init__(self, url: str, *, wait_seconds: float, trusted: Path) -> None:
        self._url = url
        self._address = urlsplit(url)
        self._wait_seconds = wait_seconds
        self._trusted = trusted
        self._idle: deque[HttpConnection] = deque()

    def exchange(self, request: bytes) -> RawAnswer:
        """Send a request and wait for the answer.

        ConnectionClosedError may be of a connection that was kept, and that the server closed a moment ago.
        """
        connection = self._pop_open() or self._connect()
        try:
            answer = self._exchange_over(connection, request)
        except BaseException:
            connection.close()
            raise
        if answer.is_followed_by_others:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def close_idle(self) -> None:
        """Close the connections that are not in use; new ones are made when they are needed."""
        while (connection := self._pop()) is not None:
            connection.close()

    def _exchange_over(self, connection: HttpConnection, request: bytes) -> RawAnswer:
        try:
            return connection.exchange(request, self._wait_seconds)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url) from error
        except OSError as error:
            self.close_idle()  # the server may be about to close these, too
            raise ConnectionClosedError(endpoint_url=self._url) from error
        except BrokenAnswer as error:
            raise HTTPClientError(error=error) from error

    def _pop_open(self) -> HttpConnection | None:
        """The one used last that the server has not closed meanwhile."""
        while (connection := self._pop()) is not None and not connection.is_open():
            connection.close()
        return connection

    def _pop(self) -> HttpConnection | None:
        with suppress(IndexError):  # some other thread may be as quick
            return self._idle.pop()
        return None

    def _connect(self) -> HttpConnection:
        host, tls = self._address.hostname or "", self._tls if self._address.scheme == "https" else None
        try:
            plain = socket.create_connection((host, self._address.port or (443 if tls else 80)), self._wait_seconds)
            try:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return HttpConnection(plain if tls is None else tls.wrap_socket(plain, server_hostname=host))
            except BaseException:
                plain.close()
                raise
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self._url, error=error) from error
        except (OSError, ValueError) as error:
            raise EndpointConnectionError(endpoint_url=self._url) from error

    @cached_property  # reading the certificates takes tens of milliseconds
    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._trusted)
        except OSError as error:
            raise SSLError(endpoint_url=self._url, error=OSError(f"{self._trusted}: {error}")) from error


class HttpConnection:
    """One connection. It raises OSError and BrokenAnswer, and is of no use after that."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._line = select.poll()
        self._line.register(connected, select.POLLIN)

    def __del__(self) -> None:
        self.close()

    def exchange(self, request: bytes, wait_seconds: float) -> RawAnswer:
        """Send a request, and read the answer; all of it must have come in time."""
        ends_at = time.monotonic() + wait_seconds
        self._socket.settimeout(wait_seconds)
        self._socket.sendall(request)

        def receive() -> bytes:
            left = ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            return self._socket.recv(65_536)

        return AnswerReader(receive).read()

    def is_open(self) -> bool:
        """Whether the server has said nothing since the last answer, not even that it ends the connection."""
        return not self._line.poll(0)

    def close(self) -> None:
        self._socket.close()
