"""Signed links by which whoever was told says that they look after it: `rtp serve` answers them.

Whoever has the message may acknowledge it, and nothing else can be done by the link, for as long as it holds.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import SettingsError
from rtp_client.secrets import know_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_VARIABLE = "RTP_NOTIFY_KEY"
PATH = "/acknowledge"
HOLDS_SECONDS = 7 * 86_400
_SHORTEST_KEY = 32


class LinkRefused(Exception):
    """A link does not hold; the message says why."""


def key_from(environ: Mapping[str, str]) -> bytes | None:
    """The key that links are signed with, if there is one. Raises SettingsError where it could be guessed."""
    key = environ.get(KEY_VARIABLE, "").strip()
    if not key:
        return None
    know_secrets([key])
    if len(key.encode()) < _SHORTEST_KEY:
        raise SettingsError(
            f"environment {KEY_VARIABLE}: must be {_SHORTEST_KEY} bytes or more, or it could be guessed",
            "`openssl rand -hex 32` makes one",
        )
    return key.encode()


@dataclass(frozen=True)
class AcknowledgeLinks:
    """`page` is where people reach `rtp serve`."""

    key: bytes
    page: str = ""

    def link(self, offer_id: str, now: float) -> str:
        """The link by which an offer is acknowledged."""
        until = str(int(now) + HOLDS_SECONDS)
        return f"{self.page}{PATH}/{offer_id}?until={until}&signature={self._signature(offer_id, until)}"

    def check(self, offer_id: str, until: str, signature: str, now: float) -> None:
        """Raises LinkRefused where the link was not made with this key, or is over."""
        if not hmac.compare_digest(signature.encode(), self._signature(offer_id, until).encode()):
            raise LinkRefused("This link is not complete, or not one of this server's.")
        if int(until) < now:  # it is signed, so it is a number
            raise LinkRefused("This link is over.")

    def _signature(self, offer_id: str, until: str) -> str:
        signed = hmac.new(self.key, f"acknowledge {offer_id} {until}".encode(), hashlib.sha256).digest()
        return urlsafe_b64encode(signed).rstrip(b"=").decode()
