"""A client of the gateway's REST."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from core.gateway.server import GatewayServer


def ask(server: GatewayServer, path: str, **headers: str) -> tuple[int, Any]:
    """A path's status and document."""
    place = urlsplit(server.url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def answer(server: GatewayServer, path: str, **headers: str) -> Any:
    """A path's document; the path has one."""
    status, document = ask(server, path, **headers)
    assert status == 200, document
    return document
