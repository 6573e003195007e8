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
from core.monitor.families import counter, gauge, gauge_of
from core.own_version import own_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric
    from starlette.requests import Request

    from core.gateway.figures import ConnectionFigures
    from core.gateway.hub import Hub


class GatewayCollector(Collector):
    """Makes Prometheus's metric families anew for each scrape."""

    def __init__(self, hub: Hub, figures: ConnectionFigures) -> None:
        self._hub = hub
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All families; called by prometheus_client."""
        hub, figures = self._hub, self._figures
        channels = figures.channels
        yield gauge("rtp_build_info", "The rtp that runs.", [((own_version(),), 1)], ["version"])
        yield gauge("rtp_gateway_ready", "1 where /readyz answers 200.", [((), hub.is_live)])
        clients = {name: one.clients for name, one in channels.items()}
        yield gauge_of("rtp_gateway_clients", "Live connections.", clients, "channel")
        subscriptions = sum(len(session.subscriptions) for session in list(hub.sessions))
        yield gauge("rtp_gateway_subscriptions", "Subscriptions of all clients.", [((), subscriptions)])
        yield gauge(
            "rtp_gateway_lag_seconds",
            "How long the newest event was in Redis when the gateway read it, by the two machines' clocks.",
            [((), hub.feed.lag_seconds)],
        )
        yield counter("rtp_gateway_events", "Events read from the stream.", [((), hub.counts.events)])
        yield counter("rtp_gateway_conflated", "Events that slow clients were not sent.", [((), hub.counts.conflated)])
        yield counter(
            "rtp_gateway_resumes",
            "Subscriptions that went on where they had been, or could not.",
            [(("resumed",), hub.counts.resumed), (("reset",), hub.counts.reset)],
            ["outcome"],
        )
        yield _by("rtp_gateway_frames", "Messages written.", {n: one.frames for n, one in channels.items()}, "channel")
        written = {name: one.written_bytes for name, one in channels.items()}
        yield _by("rtp_gateway_written_bytes", "Bytes of these messages.", written, "channel")
        yield _by("rtp_gateway_disconnected", "Live connections that ended, and why.", figures.disconnected, "reason")
        yield _by("rtp_gateway_refused", "Who was not let in, and why.", figures.refused, "reason")


def _by(name: str, meaning: str, values: Mapping[str, int], label: str) -> Metric:
    return counter(name, meaning, [((of,), n) for of, n in dict(values).items()], [label])


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
