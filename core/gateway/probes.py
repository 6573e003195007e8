"""/metrics, /healthz and /readyz of the gateway, as `rtp run` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.gateway.reach import EVERYTHING
from core.gateway.refusal import refusal
from core.monitor.families import counter, gauge
from core.monitor.run_families import BUILD_INFO
from core.own_version import own_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric
    from starlette.requests import Request

    from core.gateway.figures import ConnectionFigures
    from core.gateway.hub import Hub

READY = gauge("rtp_gateway_ready", "1 where /readyz answers 200.")
CLIENTS = gauge("rtp_gateway_clients", "Live connections: websocket, sse.", "channel")
SUBSCRIPTIONS = gauge("rtp_gateway_subscriptions", "Subscriptions of all clients.")
LAG_SECONDS = gauge(
    "rtp_gateway_lag_seconds",
    "How long the newest event was in Redis when the gateway read it, by the two machines' clocks.",
)
EVENTS = counter("rtp_gateway_events_total", "Events read from the stream.")
CONFLATED = counter(
    "rtp_gateway_conflated_total", "Events that slow clients were not sent, as newer ones of the entity waited."
)
RESUMES = counter(
    "rtp_gateway_resumes_total",
    "Subscriptions that went on where they had been (resumed), or could not (reset).",
    "outcome",
)
FRAMES = counter("rtp_gateway_frames_total", "Messages written.", "channel")
WRITTEN_BYTES = counter("rtp_gateway_written_bytes_total", "Bytes of these messages.", "channel")
DISCONNECTED = counter(
    "rtp_gateway_disconnected_total",
    "Live connections that ended, and why: client (it left), idle, too_slow, too_big, too_many_messages, token_over,"
    " restart, failed (a defect).",
    "reason",
)
REFUSED = counter(
    "rtp_gateway_refused_total",
    "Who was not let in, and why: unauthorized, too_many_connections, origin, host.",
    "reason",
)


class GatewayCollector(Collector):
    """Makes Prometheus's metric families anew for each scrape."""

    def __init__(self, hub: Hub, figures: ConnectionFigures) -> None:
        self._hub = hub
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All families; called by prometheus_client."""
        hub, figures, counts = self._hub, self._figures, self._hub.counts
        channels = figures.channels
        yield BUILD_INFO.by({own_version(): 1})
        yield READY.alone(hub.is_live)
        yield CLIENTS.by({name: one.clients for name, one in channels.items()})
        yield SUBSCRIPTIONS.alone(sum(len(session.subscriptions) for session in list(hub.sessions)))
        yield LAG_SECONDS.alone(hub.feed.lag_seconds)
        yield EVENTS.alone(counts.events)
        yield CONFLATED.alone(counts.conflated)
        yield RESUMES.by({"resumed": counts.resumed, "reset": counts.reset})
        yield FRAMES.by({name: one.frames for name, one in channels.items()})
        yield WRITTEN_BYTES.by({name: one.written_bytes for name, one in channels.items()})
        yield DISCONNECTED.by(figures.disconnected)
        yield REFUSED.by(figures.refused)


class Probes:
    """The routes."""

    def __init__(self, hub: Hub, figures: ConnectionFigures) -> None:
        self._hub = hub
        self._registry = CollectorRegistry()
        self._registry.register(GatewayCollector(hub, figures))
        ProcessCollector(registry=self._registry)

    def routes(self) -> list[Route]:
        return [
            Route("/metrics", self._metrics),
            Route("/healthz", self._health),
            Route("/readyz", self._readiness),
        ]

    async def _metrics(self, request: Request) -> Response:
        if request.state.reach != EVERYTHING:
            return refusal(403, "forbidden", "this token is for some kinds, chains or entities; metrics are of all")
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    async def _health(self, _request: Request) -> Response:
        if self._hub.has_failed:
            return _document(503, {"status": "failing"})
        return _document(200, {"status": "ok"})

    async def _readiness(self, _request: Request) -> Response:
        # Whoever asks needs no token, so no address is told.
        away = {"code": "unreachable", "subject": "Redis", "message": "the stream cannot be read"}
        reasons = [] if self._hub.is_live else [away]
        return _document(503 if reasons else 200, {"status": "not ready" if reasons else "ready", "reasons": reasons})


def _document(status: int, document: dict[str, object]) -> Response:
    return JSONResponse(document, status, {"Cache-Control": "no-store"})
