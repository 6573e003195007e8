"""The HTTP requests of Apprise's plugins, seen where they go out: status, `Retry-After`, how long they may take.

A plugin calls `requests.post` itself and keeps of the answer only whether it liked it. Each such call makes a session,
and each session asks `requests.sessions.HTTPAdapter` for what carries its requests. Within an attempt that name gives
the service's own `Transport`, which notes every answer and keeps its connections for the next message; elsewhere it
gives what it always gave.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests.sessions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from core.sinks.webhook.connection import Answer as Answered
from core.sinks.webhook.connection import failure_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest, Response
    from urllib3.response import BaseHTTPResponse

# Of an answer's body: more than any of these services says.
_MOST_BYTES = 1_000_000
_TOO_MANY_REQUESTS = 429

# Both would name addresses, with the tokens in them.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
_APPRISE = logging.getLogger("apprise")
_APPRISE.setLevel(logging.DEBUG)


@dataclass(frozen=True)
class Unanswered:
    """A request that got no answer, or none that can be read; why."""

    reason: str


class Attempt:
    """One message on its way: the answers to its requests, and what Apprise says about them."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.answers: list[Answered | Unanswered] = []
        self.remarks: list[str] = []
        self.wait_seconds = 0.0
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    @property
    def last(self) -> Answered | Unanswered | None:
        """The newest answer."""
        return self.answers[-1] if self.answers else None

    def check(self) -> None:
        """Let no further request go out once it is cut, or the service has asked for a pause: some plugins insist."""
        if self._is_cut or (isinstance(self.last, Answered) and self.last.status == _TOO_MANY_REQUESTS):
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


class Transport(HTTPAdapter):
    """The connections of one service."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """A session that ends leaves the connections to the next."""

    def end(self) -> None:
        """Give up the connections."""
        super().close()

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        attempt = _UNDER_WAY.get()
        if attempt is None:
            return super().send(request, *arguments, **options)
        attempt.check()
        try:
            response = super().send(request, *arguments, **options)
            attempt.check()  # headers that are cut off look as if they were all
        except (requests.RequestException, HTTPError, OSError) as error:
            attempt.answers.append(Unanswered(failure_in_words(_root(error), _seconds(options.get("timeout")))))
            raise requests.ConnectionError from None
        body = _body(response.raw)
        headers = {name.lower(): value for name, value in response.headers.items()}
        attempt.answers.append(Answered(response.status_code, headers, body))
        response.raw = io.BytesIO(body)
        return response


def _seconds(timeout: Any) -> float:
    return max(timeout) if isinstance(timeout, tuple) else float(timeout or 0)


def _body(raw: BaseHTTPResponse) -> bytes:
    """What can be read of it: the status has said the most."""
    body = None
    with suppress(HTTPError, OSError):
        body = raw.read(_MOST_BYTES, decode_content=True)
    if body is None or len(body) == _MOST_BYTES:
        raw.close()
    return body or b""


def _root(error: Exception) -> Exception:
    """What lies behind what requests and urllib3 make of it."""
    inner = next((one for one in (getattr(error, "reason", None), *error.args) if isinstance(one, Exception)), None)
    return error if inner is None else _root(inner)


def pause(last_io: Any = None, wait: float | None = None) -> None:
    """In the place of a plugin's pauses. Where it has been told to wait, the message waits instead of a thread."""
    attempt = _UNDER_WAY.get()
    if wait and attempt is not None:
        attempt.wait_seconds = wait
        raise requests.ConnectionError


class _Connection(HTTPConnection):
    def getresponse(self) -> Any:
        _note(self.sock)
        return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _note(self.sock)
        return super().getresponse()


def _note(connection_socket: socket.socket | None) -> None:
    if (attempt := _UNDER_WAY.get()) is not None:
        attempt.listens_to(connection_socket)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}


def _remark(record: logging.LogRecord) -> bool:
    """Keep what tells of a failure, and let nothing through to any log."""
    if (attempt := _UNDER_WAY.get()) is not None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception: " in text:
            attempt.remarks.append(text)
    return False


def _adapter() -> HTTPAdapter:
    attempt = _UNDER_WAY.get()
    return HTTPAdapter() if attempt is None else attempt.transport


_APPRISE.addFilter(_remark)
vars(requests.sessions)["HTTPAdapter"] = _adapter
