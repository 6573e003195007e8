"""The gateway as one thing to start and stop: uvicorn in a thread of its own, with the hub in its loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from core.errors import SettingsError
from core.gateway.acknowledging import AcknowledgePage
from core.gateway.app import gateway_app
from core.gateway.defects import telling_defects
from core.gateway.draining import DrainingServer
from core.gateway.figures import ConnectionFigures
from core.gateway.http_protocol import GuardedHttp
from core.gateway.hub import Hub
from core.gateway.open_files import allow_open_files
from core.gateway.probes import Probes
from core.gateway.rest.build import build_answers, newest_values_of, routes_of
from core.gateway.security import security_of
from core.gateway.websocket_protocol import LiveSocket
from core.monitor.http import listen_on
from core.problem import Problem
from rtp_client.errors import one_line

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from core.settings.models import Settings
    from core.settings.serve import ServeSettings

# What the system keeps for a client that takes nothing grows to megabytes otherwise, and all of it is old news.
_SEND_BUFFER_BYTES = 65_536  # the system takes it for twice as much


class GatewayServer:
    """Listens from the beginning; answers from `start` on. Raises SettingsError where it cannot listen.

    `more_routes` are pages of whoever runs it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_problem: Callable[[Problem], None] = lambda _: None,
        more_routes: Iterable[BaseRoute] = (),
    ) -> None:
        serve = settings.serve
        self._gate, self._tls = security_of(serve)
        if not settings.redis.url:
            raise SettingsError("there is no Redis address", "Set RTP_REDIS_URL, redis.url or --redis-url")
        self._settings = settings
        self._on_problem = on_problem
        self._acknowledging = AcknowledgePage(settings)
        self._more_routes = tuple(more_routes)
        self._figures = ConnectionFigures()
        if lack := allow_open_files(serve.limits.connections):
            on_problem(Problem(lack, "gateway"))
        self._socket = listen_on(serve.listen, "serve.listen")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._server: DrainingServer | None = None
        self._stop_requested = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="rtp-gateway", daemon=True)

    @property
    def url(self) -> str:
        if self._settings.serve.public_url:
            return self._settings.serve.public_url
        host, port, *_ = self._socket.getsockname()
        scheme = "https" if self._settings.serve.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send the clients elsewhere, and end."""
        self._stop_requested.set()
        if self._server:
            self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._acknowledging.close()
        self._socket.close()

    def _run(self) -> None:
        try:
            with telling_defects(self._on_problem), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise it to
            self.failure = error
            self._on_problem(Problem(f"the gateway has ended: {one_line(error)}", "gateway", logging.ERROR))

    async def _serve(self) -> None:
        serve, redis = self._settings.serve, self._settings.redis
        async with Hub(
            redis.url or "",
            window=serve.window,
            queue=serve.limits.queue,
            subscriptions=serve.limits.subscriptions,
            ping_seconds=serve.ping_seconds,
            message_bytes=serve.limits.message_bytes,
            messages_per_second=serve.limits.messages_per_second,
            timeout_seconds=redis.timeout_seconds,
            values=newest_values_of(self._settings, is_counted=False),
            postgres_dsn=self._settings.postgres.dsn,
            on_problem=self._on_problem,
        ) as hub:
            answers = build_answers(hub, self._settings)
            routes = [
                *Probes(hub, self._figures).routes(),
                *self._acknowledging.routes(),
                *routes_of(answers, self._settings),
                *self._more_routes,
            ]
            app = gateway_app(hub, self._gate, serve, self._figures, routes)
            self._server = DrainingServer(_config(app, serve, self._tls), hub, serve.drain_seconds)
            try:
                if not self._stop_requested.is_set():
                    await self._server.serve([self._socket])
            finally:
                await answers.close()


def _config(app: Starlette, serve: ServeSettings, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=GuardedHttp,
        ws=LiveSocket,
        ws_max_size=serve.limits.message_bytes,
        ws_ping_interval=serve.ping_seconds,
        ws_ping_timeout=serve.idle_timeout_seconds,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(serve.trusted_proxies),
        forwarded_allow_ips=list(serve.trusted_proxies),
        timeout_graceful_shutdown=2,
        ssl_context_factory=(lambda *_: tls) if tls else None,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    return uvloop.new_event_loop
