"""What both clients share: the address, the token, and how connections are made. No I/O."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypedDict

from rtp_client.backoff import Backoff
from rtp_client.live.places import is_redis, websocket_url
from rtp_client.live.reception import Reception
from rtp_client.live.straight import Straight
from rtp_client.redact import redact
from rtp_client.secrets import know_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtp_client.live.reconnecting import Reconnecting
    from rtp_client.live.wanted import Wanted
    from rtp_client.stream.gap import Gap

    Token = str | Callable[[], str] | None

RETRY = Backoff(initial_seconds=0.25, max_seconds=15)
_LARGEST_MESSAGE_BYTES = 2**24
_LOG = logging.getLogger("rtp_client")
_WIRE_LOG = logging.getLogger("rtp_client.wire")
_WIRE_LOG.setLevel(logging.INFO)  # below it websockets logs every header, and so the token


def _tell_nobody(_is_live: bool) -> None: ...


class LiveOptions(TypedDict, total=False):
    """All of them may be left out."""

    on_notice: Callable[[str], None]
    """Told of lost connections, and of gaps where nobody else is, in one line each: the logger `rtp_client`."""
    on_live: Callable[[bool], None]
    """Told False where events cannot come (the connection is lost, or the gateway's to Redis), True once they can."""
    backoff: Backoff
    """How long to wait before a lost connection is made again: up to 0.25 s at first, up to 15 s in the end."""
    timeout_seconds: float
    """How long to wait for an answer: 5."""


class ClientBase:
    """The part of a client that does no I/O."""

    def __init__(self, url: str, token: Token, options: LiveOptions) -> None:
        self.address = redact(url)
        self._url = url
        self._is_straight = is_redis(url)
        self._token = token
        self._notice = options.get("on_notice", _LOG.warning)
        self._tell_live = options.get("on_live", _tell_nobody)
        self._backoff = options.get("backoff", RETRY)
        self._timeout_seconds = options.get("timeout_seconds", 5.0)

    def _straight(self, wanted: Wanted) -> Straight:
        return Straight(
            self._url,
            wanted,
            notice=self._notice,
            tell_live=self._tell_live,
            backoff=self._backoff,
            timeout_seconds=self._timeout_seconds,
        )

    def _tell_gap(self, gap: Gap) -> None:
        self._notice(f"events may be missing: {gap.message}")

    def _reception(self, wanted: Wanted) -> Reception:
        return Reception(wanted, self.address, self._notice, self._tell_live)

    def _reconnecting(self) -> Reconnecting:
        # Not at the top: straight from Redis needs no websockets.
        from rtp_client.live.reconnecting import Reconnecting  # noqa: PLC0415

        return Reconnecting(self.address, self._backoff, self._notice, renews_token=callable(self._token))

    def _connection(self, token: str | None) -> dict[str, Any]:
        """The arguments of a connection to the gateway."""
        know_secrets([token])
        return {
            "uri": websocket_url(self._url),
            "subprotocols": ["rtp.v1"],
            "additional_headers": {"Authorization": f"Bearer {token}"} if token else None,
            "user_agent_header": "rtp_client",
            "logger": _WIRE_LOG,
            "compression": None,  # the gateway offers none
            "open_timeout": self._timeout_seconds,
            "close_timeout": 1,
            "max_size": _LARGEST_MESSAGE_BYTES,
        }
