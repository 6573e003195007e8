"""A page that shows what a demo's notifications say, newest first."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from core.demo.catcher import Caught


def notifications_route(path: str, newest_first: Callable[[], Sequence[Caught]]) -> Route:
    """The page's route. The page asks for itself anew every two seconds, and needs no script for that."""
    template = Template(files("core.gateway").joinpath("notifications.html").read_text(encoding="utf-8"))

    async def answer(_request: Request) -> Response:
        messages = "".join(map(_article, newest_first())) or '<p class="empty">None so far.</p>'
        return HTMLResponse(template.substitute(messages=messages), headers={"Cache-Control": "no-store"})

    return Route(path, answer)


def _article(caught: Caught) -> str:
    """All of it is text here, whatever it would be where it was meant for."""
    head = f"{caught.at:%H:%M:%S} to {caught.destination}"
    return (
        f'<article class="panel"><header><h2>{escape(caught.headline)}</h2><span class="tools count">{escape(head)}'
        f'</span></header><pre class="inside told">{escape(caught.details)}</pre></article>\n'
    )
