"""A webhook's receiver in the test's own process, which can misbehave as receivers do."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """A request as it arrived; header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events in it."""
        found = json.loads(self.body)
        return found if isinstance(found, list) else [found]

    def names(self, entity: str) -> bool:
        """Whether an event of this protocol is in it."""
        return f'"entity":"{entity}"'.encode() in self.body


@dataclass(frozen=True)
class Reply:
    """An answer; `raw` is sent as it is, bit by bit where there is a pause, and ends the connection."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    pause_seconds: float = 0


def together(count: int) -> Callable[[Posted], Reply]:
    """Answers once so many requests are under way; it takes for granted that they come by as many."""
    all_are_here = threading.Barrier(count, timeout=60)

    def reply(_: Posted) -> Reply:
        all_are_here.wait()
        return Reply()

    return reply


class WebhookServer:
    """Takes requests from `start` on. `reply` decides what each is answered."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.taken: list[Posted] = []
        self.reply: Callable[[Posted], Reply] = lambda _: Reply()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._thawed = threading.Event()
        self._thawed.set()
        self._server: _QuietServer | None = None
        self._connections: list[socket.socket] = []
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self.port}/hook?token=s3cret"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of every request that was taken, in order of arrival."""
        return [event for posted in self.taken for event in posted.events]

    def start(self) -> None:
        """Listen; after a kill at the same place."""
        self._server = server = _QuietServer(("127.0.0.1", self.port), self._handler())
        self.port = server.server_port
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        self._thread.start()

    def kill(self) -> None:
        """Be gone, and let go of every connection."""
        self.thaw()
        if self._server is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None
        for connection in self._connections:
            _close(connection)
        self._connections.clear()

    def freeze(self) -> None:
        """Accept connections and requests, and answer none."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Answer again; what was asked meanwhile gets no answer."""
        self._thawed.set()

    def wait_until_thawed(self) -> None:
        """Answer nothing for as long as the server is frozen."""
        self._thawed.wait(20)

    def _answer(self, posted: Posted) -> Reply | None:
        with self._lock:
            self.posted.append(posted)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if not self._thawed.is_set():
                self._thawed.wait(20)
                return None
            reply = self.reply(posted)
            if reply.raw is None:
                time.sleep(reply.pause_seconds)
            if reply.raw is None and 200 <= reply.status < 300:
                with self._lock:
                    self.taken.append(posted)
            return reply
        finally:
            with self._lock:
                self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                server._connections.append(self.request)
                super().setup()

            def do_OPTIONS(self) -> None:
                server.wait_until_thawed()
                self.send_response(204)
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = server._answer(Posted(self.path, headers, body, id(self.request)))
                if reply is None:
                    self.close_connection = True
                elif reply.raw is not None:
                    self._dribble(reply.raw, reply.pause_seconds)
                else:
                    self.send_response(reply.status)
                    for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(reply.body)

            def _dribble(self, raw: bytes, pause_seconds: float) -> None:
                self.close_connection = True
                if not pause_seconds:
                    self.wfile.write(raw)
                    return
                try:
                    for bit in raw:
                        self.wfile.write(bytes([bit]))
                        time.sleep(pause_seconds)
                except OSError:
                    pass

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections that were cut are no news."""


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def webhook_server() -> Iterator[WebhookServer]:
    """Run one."""
    server = WebhookServer()
    try:
        yield server
    finally:
        server.kill()
