"""What `rtp run --http` answers: /metrics, /healthz and /readyz, and nothing else.

No request asks a server for anything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prometheus_client.registry import Collector

    from core.monitor.progress import Hindrance

_JSON = "application/json; charset=utf-8"
_METHODS = ("GET", "HEAD")
PATHS = {
    "/metrics": "[Metrics](metrics.md): Prometheus text, or OpenMetrics where asked for.",
    "/healthz": "200 while rtp's threads live; else 503. Restart rtp then: `livenessProbe`.",
    "/readyz": "200 while events go through or there are none; else 503 and `reasons`. For `readinessProbe` and alarms;"
    " a restart mends none of them.",
}
"""What there is; docs/reference/http.md is written from it."""


@dataclass(frozen=True)
class HttpAnswer:
    """An answer of HTTP's. `is_head`: its body is not sent."""

    status: HTTPStatus
    content_type: str
    body: bytes
    is_head: bool = False

    def as_bytes(self) -> bytes:
        """The whole of it, as it goes over the wire."""
        lines = [
            f"HTTP/1.0 {self.status.value} {self.status.phrase}",
            "Server: rtp",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        if self.status is HTTPStatus.METHOD_NOT_ALLOWED:
            lines.append(f"Allow: {', '.join(_METHODS)}")
        head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
        return head if self.is_head else head + self.body


class Watcher(Protocol):
    """Who knows whether rtp does its work."""

    @property
    def role(self) -> str:
        """What this process is to others that do the same work."""

    def hindrances(self) -> Sequence[Hindrance]:
        """Why rtp is not ready; empty where it is."""

    def warnings(self) -> Sequence[Hindrance]:
        """What is wrong, and none the less no reason not to be ready."""

    def threads(self) -> Mapping[str, bool]:
        """Every loop of rtp, and whether it is alive."""


class Answers:
    """Answers from what the watcher and the collectors of metrics know."""

    def __init__(self, watcher: Watcher, *collectors: Collector) -> None:
        self._watcher = watcher
        self._registry = CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)

    @staticmethod
    def takes_time(target: str) -> bool:
        """Whether the answer takes milliseconds, and not a fraction of one."""
        return target.startswith("/metrics")

    def answer(self, method: str, target: str, accept: str) -> HttpAnswer:
        """The answer to a request."""
        is_head, path = method == "HEAD", target.partition("?")[0]
        if method not in _METHODS:
            return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"only {', '.join(_METHODS)}"})
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return HttpAnswer(HTTPStatus.OK, content_type, encode(self._registry), is_head)
        if path == "/healthz":
            return self._health(is_head=is_head)
        if path == "/readyz":
            return self._readiness(is_head=is_head)
        return _json(HTTPStatus.NOT_FOUND, {"error": f"there are {', '.join(PATHS)}"}, is_head=is_head)

    def _health(self, *, is_head: bool) -> HttpAnswer:
        dead = sorted(name for name, is_alive in self._watcher.threads().items() if not is_alive)
        status = HTTPStatus.SERVICE_UNAVAILABLE if dead else HTTPStatus.OK
        return _json(status, {"status": "failing" if dead else "ok", "dead_threads": dead}, is_head=is_head)

    def _readiness(self, *, is_head: bool) -> HttpAnswer:
        reasons = [asdict(hindrance) for hindrance in self._watcher.hindrances()]
        warnings = [asdict(warning) for warning in self._watcher.warnings()]
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        document = {"status": "not ready" if reasons else "ready", "role": self._watcher.role, "reasons": reasons}
        return _json(status, document | ({"warnings": warnings} if warnings else {}), is_head=is_head)


NO_REQUEST = HttpAnswer(HTTPStatus.BAD_REQUEST, _JSON, b'{"error": "this is no request of HTTP"}\n')


def _json(status: HTTPStatus, document: dict[str, Any], *, is_head: bool = False) -> HttpAnswer:
    return HttpAnswer(status, _JSON, json.dumps(document).encode() + b"\n", is_head)
