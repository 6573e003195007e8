"""The HTTP requests of Apprise's plugins, seen where they go out: status, `Retry-After`, how long they may take.

A plugin calls `requests.post` itself and keeps of the answer only whether it liked it. Each such call makes a session,
and each session asks `requests.sessions.HTTPAdapter` for what carries its requests. Within an attempt that name gives
the service's own `Transport`, which notes every answer and keeps its connections for the next message; elsewhere it
gives what it always gave.
"""

from __future__ import annotations

import io
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import requests.sessions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from core.notify.service.attempt import Unanswered, attempt_under_way
from core.sinks.webhook.connection import WebAnswer, failure_in_words

if TYPE_CHECKING:
    import socket

    from requests import PreparedRequest, Response
    from urllib3.response import BaseHTTPResponse

# Of an answer's body: more than any of these services says.
_MOST_BYTES = 1_000_000

# It would name addresses, with the tokens in them.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


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
        attempt = attempt_under_way()
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
        attempt.answers.append(WebAnswer(response.status_code, headers, body))
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


class _Connection(HTTPConnection):
    def getresponse(self) -> Any:
        _note(self.sock)
        return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _note(self.sock)
        return super().getresponse()


def _note(connection_socket: socket.socket | None) -> None:
    if (attempt := attempt_under_way()) is not None:
        attempt.listens_to(connection_socket)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}


def _adapter() -> HTTPAdapter:
    attempt = attempt_under_way()
    return HTTPAdapter() if attempt is None else attempt.transport


vars(requests.sessions)["HTTPAdapter"] = _adapter
