"""A gateway in the test's own process, and small clients of it."""

from __future__ import annotations

import http.client
import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from core.gateway.server import GatewayServer
from core.settings.serve import ServeSettings
from core.sinks.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings

SUBPROTOCOL = "rtp.v1"
Message = dict[str, Any]


def serve_settings(redis_url: str, **serve: Any) -> Settings:
    """Settings of a gateway at any free port, with these of `serve`."""
    settings = load_settings(None, environ={}, options={"redis.url": redis_url})
    limits = {"connections": 200, **serve.pop("limits", {})}
    written = {"listen": "127.0.0.1:0", "drain_seconds": 1, "limits": limits, **serve}
    return settings.model_copy(update={"serve": ServeSettings.model_validate(written)})


@contextmanager
def serving(settings: Settings, **options: Any) -> Iterator[GatewayServer]:
    """A gateway that answers; it ends with the block."""
    server = GatewayServer(settings, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    if server.failure is not None:
        raise server.failure


def url_of(server: GatewayServer | str) -> str:
    return server if isinstance(server, str) else server.url


class LiveClient:
    """A WebSocket's client that reads when it is told to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def ask(self, kind: str, **members: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **members}))

    def subscribe(self, name: str = "a", **members: Any) -> Message:
        """Subscribe; the answer that it is so."""
        self.ask("subscribe", id=name, **{"snapshot": False, **members})
        return self.next("subscribed")

    def read(self) -> Message:
        """The next message."""
        message: Message = json.loads(self.socket.recv(timeout=30))
        return message

    def next(self, kind: str) -> Message:
        """The next message of this type."""
        while (message := self.read())["type"] != kind:
            pass
        return message

    def closed(self) -> tuple[int, str]:
        """How the server ends the connection: its code and reason, behind whatever it still sends."""
        try:
            while True:
                self.socket.recv(timeout=30)
        except ConnectionClosed as error:
            assert error.rcvd is not None, "the connection ended without a close frame"
            return error.rcvd.code, error.rcvd.reason


@contextmanager
def live_client(server: GatewayServer | str, *offered: str, **options: Any) -> Iterator[LiveClient]:
    """A client of a gateway, or of that at an address. `offered`: the subprotocols, where not the usual one alone."""
    protocols = [Subprotocol(name) for name in offered or (SUBPROTOCOL,)]
    patience: dict[str, Any] = {"open_timeout": 30, "close_timeout": 5, "max_size": None}
    with connect(
        url_of(server).replace("http", "ws", 1) + "/v1/ws", subprotocols=protocols, **patience, **options
    ) as socket:
        yield LiveClient(socket)


class Answer:
    """An answer of HTTP's, whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def error(self) -> str:
        found: str = json.loads(self.body)["error"]["code"]
        return found


@contextmanager
def asking(
    server: GatewayServer | str, path: str, method: str = "GET", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """A request, whose answer is read within the block; a header's _ stands for -."""
    place = urlsplit(url_of(server))
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        yield connection.getresponse()


def answer_of(server: GatewayServer | str, path: str, method: str = "GET", **headers: str) -> Answer:
    with asking(server, path, method, **headers) as response:
        return Answer(response)


def stream_events(response: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    """The messages of an event stream, each by its fields."""
    fields: dict[str, str] = {}
    while line := response.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif fields:
            yield fields
            fields = {}
