"""When a lost connection to the gateway is made again, and when that would not help."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from rtp_client.errors import GatewayRefused, ServiceUnavailable, SettingsError, one_line
from rtp_client.live.reception import MessageLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtp_client.backoff import Backoff
    from rtp_client.live.reception import Reception

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
except ImportError as error:
    raise SettingsError(
        "through the gateway rtp_client needs the package websockets", 'Install it: pip install "defi-rtp[client]"'
    ) from error

_POLICY, _TOO_BIG = 1008, 1009
_REFUSING = (400, 401, 403, 404)
_PASSING = ("too_many_connections", "too_many_messages")


class Reconnecting:
    """The connections of one subscription. `lost` is what ends one; ValueError, a message that the protocol lacks."""

    lost = (OSError, WebSocketException, MessageLost, ValueError)

    def __init__(self, address: str, backoff: Backoff, notice: Callable[[str], None], *, renews_token: bool) -> None:
        self._address = address
        self._backoff = backoff
        self._notice = notice
        self._renews_token = renews_token
        self._was_heard = False
        self._failures = 0

    def heard(self) -> None:
        """The gateway has answered what was asked."""
        if self._failures:
            self._notice(f"the gateway at {self._address} answers again")
        self._was_heard, self._failures = True, 0

    def wait_seconds(self, error: Exception, reception: Reception) -> float:
        """How long to wait before the next attempt.

        Raises GatewayRefused, and ServiceUnavailable where the very first connection cannot be made: then the address
        is more likely wrong than the gateway away.
        """
        self._raise_refusal(error, reception.complaint)
        cause = reception.complaint or error
        unavailable = ServiceUnavailable("the gateway", self._address, one_line(cause), what="gives no connection")
        if not self._was_heard:
            raise unavailable from error
        reception.connection_lost()
        self._failures += 1
        if reception.reconnect_after_seconds is not None:
            return reception.reconnect_after_seconds
        if self._failures == 1:
            self._notice(f"{unavailable}; trying again")
        return self._backoff.wait_seconds(self._failures)

    def _raise_refusal(self, error: Exception, complaint: GatewayRefused | None) -> None:
        if isinstance(error, InvalidStatus) and error.response.status_code in _REFUSING:
            raise GatewayRefused(self._address, *_reason_in(bytes(error.response.body or b""), error)) from error
        close = error.rcvd if isinstance(error, ConnectionClosed) else None
        if close is None or close.code not in (_POLICY, _TOO_BIG):
            return
        refusal = complaint or GatewayRefused(self._address, "policy", close.reason or one_line(error))
        # A token that was good until now is over: the next one may do.
        may_renew = self._renews_token and self._was_heard and self._failures == 0
        if refusal.code not in _PASSING and not (close.code == _POLICY and may_renew):
            raise refusal from error


def _reason_in(body: bytes, error: Exception) -> tuple[str, str]:
    with suppress(msgspec.MsgspecError, LookupError, TypeError):
        answer = msgspec.json.decode(body)["error"]
        return str(answer["code"]), str(answer["message"])
    return "refused", one_line(error)
