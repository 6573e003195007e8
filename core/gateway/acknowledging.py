"""The page behind the link of a message: a button by which somebody says that they look after it.

Chat services fetch every link that they are sent, so looking changes nothing: only the button does.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse
from starlette.routing import Route

from core.errors import SinkUnavailable
from core.notify.acknowledgement.acknowledgements import Acknowledgements
from core.notify.acknowledgement.links import KEY_VARIABLE, PATH, AcknowledgeLinks, LinkRefused, key_from
from core.problem import counted
from rtp_client.redact import redact
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from core.notify.acknowledgement.acknowledgements import Offer
    from core.settings.models import Settings

_HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    # A browser that must not say where it comes from does not say so to the button's own page either.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}
_BUTTON = '<form method="post"><button class="primary">Acknowledge</button></form>'


class AcknowledgePage:
    """Redis is asked only by those whose link holds."""

    def __init__(self, settings: Settings) -> None:
        key = key_from(os.environ)
        self._links = AcknowledgeLinks(key) if key else None
        url = settings.redis.url or ""
        self._client = redis_client(url, client_name="rtp-serve", timeout_seconds=settings.redis.timeout_seconds)
        self._acknowledgements = Acknowledgements(self._client, redact(url))

    def close(self) -> None:
        self._client.close()

    def routes(self) -> list[Route]:
        return [Route(f"{PATH}/{{id}}", self._answer, methods=["GET", "POST"])]

    async def _answer(self, request: Request) -> Response:
        if self._links is None:
            return _page(404, "Not here", f"{KEY_VARIABLE} is not set for this rtp serve, so it can check no link.")
        offer_id, query = request.path_params["id"], request.query_params
        try:
            self._links.check(offer_id, query.get("until", ""), query.get("signature", ""), time.time())
        except LinkRefused as refused:
            return _page(403, "Not acknowledged", str(refused))
        try:
            return await run_in_threadpool(self._look, offer_id, acknowledges=request.method == "POST")
        except SinkUnavailable:
            return _page(503, "Not acknowledged", "Redis does not answer. Try again.")

    def _look(self, offer_id: str, *, acknowledges: bool) -> Response:
        offer = self._acknowledgements.find(offer_id)
        if offer is None:
            return _page(404, "Not known", "Nothing is known of this message any more.")
        if acknowledges:
            self._acknowledgements.acknowledge(offer, time.time())
        at = self._acknowledgements.acknowledged_at(offer)
        if at is None:
            return _page(200, "Acknowledge", _told(offer), _BUTTON)
        moment = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return _page(200, "Acknowledged", _told(offer), f'<p class="done">Acknowledged at {moment}.</p>')


def _told(offer: Offer) -> str:
    return offer.title or counted(len(offer.events), "alert")


def _page(status: int, heading: str, text: str, more: str = "") -> HTMLResponse:
    body = f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{heading} · rtp</title>
  <link rel="icon" href="/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/css/theme.css">
  <link rel="stylesheet" href="/css/acknowledge.css">
</head>
<body>
<main>
<h1>{heading}</h1>
<p>{escape(text)}</p>
{more}
</main>
</body>
</html>
"""
    return HTMLResponse(body, status, _HEADERS)
