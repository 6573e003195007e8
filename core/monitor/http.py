"""The HTTP server of `rtp run --http`: /metrics, /healthz and /readyz, and nothing else.

Small on purpose: a thread per request, a bounded number of them, no request body, three paths.
"""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from core.errors import SettingsError
from core.monitor.collector import PipelineCollector
from core.settings.addresses import listening_at

if TYPE_CHECKING:
    from core.monitor.monitor import Monitor
    from core.processor.pipeline import Pipeline

_MOST_REQUESTS_AT_ONCE = 16
_REQUEST_SECONDS = 5.0
_JSON = "application/json; charset=utf-8"
_ALLOWED = "GET, HEAD"


class MonitorServer:
    """Listens from the beginning; answers from `start` on. Raises SettingsError where it cannot listen."""

    def __init__(self, listen: str, pipeline: Pipeline, monitor: Monitor) -> None:
        registry = CollectorRegistry()
        registry.register(PipelineCollector(pipeline, monitor))
        ProcessCollector(registry=registry)
        try:
            self._server = _HttpServer(listen, registry, monitor)
        except OSError as error:
            raise SettingsError(
                f"http.listen: rtp cannot listen on {listen}: {error.strerror or error}",
                "Choose another port, or stop who has it",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="rtp-http", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listen: str, registry: CollectorRegistry, monitor: Monitor) -> None:
        self.registry = registry
        self.monitor = monitor
        self.free = threading.BoundedSemaphore(_MOST_REQUESTS_AT_ONCE)
        host, port = listening_at(listen)
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the request a thread of its own, or hang up where there are too many."""
        if not self.free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is no news."""


class _Request(BaseHTTPRequestHandler):
    server: _HttpServer
    timeout = _REQUEST_SECONDS
    server_version = "rtp"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(self.server.registry))
        elif path == "/healthz":
            self._answer_health()
        elif path == "/readyz":
            self._answer_readiness()
        else:
            self._answer_json(HTTPStatus.NOT_FOUND, {"error": "there are /metrics, /healthz and /readyz"})

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def _answer_health(self) -> None:
        dead = sorted(name for name, is_alive in self.server.monitor.threads().items() if not is_alive)
        status = HTTPStatus.SERVICE_UNAVAILABLE if dead else HTTPStatus.OK
        self._answer_json(status, {"status": "failing" if dead else "ok", "dead_threads": dead})

    def _answer_readiness(self) -> None:
        reasons = [asdict(hindrance) for hindrance in self.server.monitor.hindrances()]
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        document = {"status": "not ready" if reasons else "ready", "role": self.server.monitor.role, "reasons": reasons}
        self._answer_json(status, document)

    def _refuse(self) -> None:
        self._answer_json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"only {_ALLOWED}"})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815

    def _answer_json(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        self._answer(status, _JSON, json.dumps(document).encode() + b"\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", _ALLOWED)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Probes come every few seconds: nobody wants a line for each."""
