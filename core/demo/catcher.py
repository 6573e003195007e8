"""Where a demo's notifications go: a small HTTP server of this machine, which keeps the newest and shows them."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEPT = 200
_POLL_SECONDS = 0.05  # it then looks whether it is to end
_LONGEST_BODY = 1_000_000


@dataclass(frozen=True)
class Caught:
    """A message as a service would have got it; `destination` is whom it was for."""

    at: datetime
    destination: str
    title: str
    body: str

    @property
    def headline(self) -> str:
        """The first line, whether the service takes it as a title or not."""
        return self.title or self.body.partition("\n")[0]

    @property
    def details(self) -> str:
        """The lines below it."""
        return self.body if self.title else self.body.partition("\n")[2]


class Catcher:
    """Takes what Apprise's `json://` sends. It listens from the beginning, and answers from `start` on.

    `on_caught` hears of each message, in any thread.
    """

    def __init__(self) -> None:
        self.on_caught: Callable[[Caught], object] = lambda _: None
        self._kept: deque[Caught] = deque(maxlen=_KEPT)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._take))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="rtp demo catcher", daemon=True
        )

    @property
    def newest_first(self) -> Sequence[Caught]:
        """What it still has."""
        return list(reversed(self._kept))

    def address(self, destination: str) -> str:
        """The address, as Apprise takes it, for what is meant for this destination."""
        host, port, *_ = self._server.server_address
        return f"json://{host!s}:{port}/{destination}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, document: dict[str, Any]) -> None:
        words = (str(document.get(key) or "").strip() for key in ("title", "message"))
        caught = Caught(datetime.now(UTC), path.strip("/"), *words)
        self._kept.append(caught)
        self.on_caught(caught)


def _handler(take: Callable[[str, dict[str, Any]], None]) -> type[BaseHTTPRequestHandler]:
    class CatcherHandler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            document = self._document()
            if document is None:
                self.send_error(400)
                return
            take(self.path, document)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

        def _document(self) -> dict[str, Any] | None:
            try:
                size = int(self.headers.get("Content-Length", ""))
                document = json.loads(self.rfile.read(size)) if 0 <= size <= _LONGEST_BODY else None
            except ValueError:
                return None
            return document if isinstance(document, dict) else None

    return CatcherHandler
