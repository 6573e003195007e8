"""Where a client may put its token: a header, a WebSocket's subprotocol, or an EventSource's address."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OFFERED = "rtp.token."


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of the header Authorization."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def token_offered(subprotocols: Iterable[str]) -> str | None:
    """The token among the subprotocols: a browser's WebSocket can send no header."""
    return next((name.removeprefix(_OFFERED) for name in subprotocols if name.startswith(_OFFERED)), None)


def token_in_query(query: bytes) -> str | None:
    """The token of an address, which no log of rtp's repeats: an EventSource can send no header, either."""
    return next(iter(parse_qs(query.decode("latin-1")).get("access_token", ())), None)
