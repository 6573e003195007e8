"""A service of people's in a load test: it takes messages over HTTP, as Apprise's `json://` posts them."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class CaughtMessage:
    """Where it was posted, its text, and when it was there (Unix time)."""

    path: str
    text: str
    at: float


class MessageCatcher:
    """Keeps what it has answered 200, in order.

    `behave` gives the status for a message to a path; 0: none at all, the connection is closed.
    """

    def __init__(self, port: int, behave: Callable[[str], int]) -> None:
        self.port = port
        self.asked = 0
        self._behave = behave
        self._lock = threading.Lock()
        self._caught: list[CaughtMessage] = []

    @property
    def caught(self) -> list[CaughtMessage]:
        """So far."""
        with self._lock:
            return list(self._caught)

    def take(self, path: str, body: bytes) -> int:
        """A message has come; returns what it is answered."""
        status = self._behave(path)
        with self._lock:
            self.asked += 1
            if status == 200:
                said = json.loads(body)
                self._caught.append(CaughtMessage(path, f"{said['title']}\n{said['message']}", time.time()))
        return status


@contextmanager
def catching(behave: Callable[[str], int] = lambda _: 200) -> Iterator[MessageCatcher]:
    """Run one at a free port of loopback."""
    server = _QuietHttpServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    catcher = MessageCatcher(server.server_port, behave)
    server.RequestHandlerClass = _handler(catcher)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield catcher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _QuietHttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Connections that were cut are no news."""


def _handler(catcher: MessageCatcher) -> type[BaseHTTPRequestHandler]:
    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not (status := catcher.take(self.path, body)):
                self.close_connection = True
                return
            answer = f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()
            with suppress(OSError):
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Taking
