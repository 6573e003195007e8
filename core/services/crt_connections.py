"""HTTP/1.1 connections of awscrt to one address, each for one exchange at a time, kept open and used again."""

from __future__ import annotations

from collections import deque
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpClientConnection
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    TlsConnectionOptions,
    TlsContextOptions,
)
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from awscrt.http import HttpRequest

# awscrt raises the first from what it does later, the second from what it does at once.
FAILURES = (AwsCrtError, RuntimeError)


class CrtAnswer(NamedTuple):
    """What a server answers, whatever that is."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class CrtConnections:
    """For threads: as many connections as exchanges at a time. Failures are raised as botocore's exceptions.

    `trusted` is a file of the certificates that are trusted.
    """

    def __init__(self, url: str, *, wait_seconds: float, trusted: Path) -> None:
        self._url = url
        self._address = urlsplit(url)
        self._wait_seconds = wait_seconds
        self._trusted = trusted
        self._idle: deque[HttpClientConnection] = deque()

    def exchange(self, request: HttpRequest) -> CrtAnswer:
        """Send a request and wait for the answer.

        ConnectionClosedError may be of a connection that was kept, and that the server closed a moment ago.
        """
        connection = self._pop_open() or self._connect()
        try:
            answer = self._exchange_over(connection, request)
        except BaseException:
            connection.close()
            raise
        if connection.is_open():  # the server keeps it, too
            self._idle.append(connection)
        return answer

    def close_idle(self) -> None:
        """Close the connections that are not in use; new ones are made when they are needed."""
        while (connection := _pop(self._idle)) is not None:
            connection.close()

    def _exchange_over(self, connection: HttpClientConnection, request: HttpRequest) -> CrtAnswer:
        heads: list[Sequence[tuple[str, str]]] = []
        chunks: list[bytes] = []
        try:
            stream = connection.request(
                request, lambda *, headers, **_: heads.append(headers), lambda *, chunk, **_: chunks.append(chunk)
            )
            stream.activate()
            status: int = stream.completion_future.result(self._wait_seconds)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url) from error
        except FAILURES as error:
            if _name(error).startswith(("AWS_ERROR_HTTP_CONNECTION", "AWS_ERROR_HTTP_SERVER_CLOSED", "AWS_IO_SOCKET")):
                self.close_idle()  # the server may be about to close these, too
                raise ConnectionClosedError(endpoint_url=self._url) from error
            raise HTTPClientError(error=error) from error
        return CrtAnswer(status, heads[-1], b"".join(chunks))

    def _pop_open(self) -> HttpClientConnection | None:
        """The one used last that the server has not closed meanwhile."""
        while (connection := _pop(self._idle)) is not None and not connection.is_open():
            pass
        return connection

    def _connect(self) -> HttpClientConnection:
        tls = self._tls if self._address.scheme == "https" else None
        try:
            port = self._address.port or (443 if tls else 80)
            connecting = HttpClientConnection.new(
                self._address.hostname or "", port, _bootstrap(), tls_connection_options=tls
            )
            connection: HttpClientConnection = connecting.result(self._wait_seconds)
        except TimeoutError as error:
            connecting.add_done_callback(_close_late)
            raise ConnectTimeoutError(endpoint_url=self._url) from error
        except (*FAILURES, ValueError) as error:
            raise self._no_connection(error) from error
        return connection

    def _no_connection(self, error: Exception) -> BotoCoreError:
        name = _name(error)
        if name.startswith("AWS_IO_TLS"):
            return SSLError(endpoint_url=self._url, error=error)
        if name.startswith("AWS_IO_SOCKET_TIMEOUT"):
            return ConnectTimeoutError(endpoint_url=self._url)
        if name.startswith(("AWS_IO_SOCKET", "AWS_IO_DNS")):
            return EndpointConnectionError(endpoint_url=self._url)
        return HTTPClientError(error=error)

    @cached_property  # reading the certificates takes tens of milliseconds
    def _tls(self) -> TlsConnectionOptions:
        options = TlsContextOptions()
        try:
            options.override_default_trust_store_from_path(None, str(self._trusted))
            context = ClientTlsContext(options)
        except (OSError, *FAILURES) as error:
            raise SSLError(endpoint_url=self._url, error=OSError(f"{self._trusted}: {error}")) from error
        connection_options = context.new_connection_options()
        connection_options.set_server_name(self._address.hostname or "")
        return connection_options


@cache
def _bootstrap() -> ClientBootstrap:
    """One thread for all connections of this process."""
    threads = EventLoopGroup(1)
    return ClientBootstrap(threads, DefaultHostResolver(threads))


def _name(error: Exception) -> str:
    """Which error it is; a RuntimeError has that in its text: `2058 (AWS_ERROR_HTTP_CONNECTION_CLOSED): ...`."""
    return error.name if isinstance(error, AwsCrtError) else str(error).partition("(")[2].partition(")")[0]


def _close_late(connecting: Future[HttpClientConnection]) -> None:
    if connecting.exception() is None:
        connecting.result().close()


def _pop(idle: deque[HttpClientConnection]) -> HttpClientConnection | None:
    """The one used last, if there is one; some other thread may be as quick."""
    try:
        return idle.pop()
    except IndexError:
        return None
