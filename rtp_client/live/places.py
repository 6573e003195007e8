"""Where a client's address leads: straight to Redis, or to the gateway."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from rtp_client.errors import SettingsError
from rtp_client.redact import redact

_REDIS = ("redis", "rediss", "unix")
_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_PATH = "/v1/ws"


def is_redis(url: str) -> bool:
    """Whether it is Redis's. Raises SettingsError for an address that is neither's."""
    scheme = urlsplit(url).scheme
    if scheme not in (*_REDIS, *_SCHEMES):
        raise SettingsError(
            f"{redact(url)} is no address of a gateway or of Redis",
            "Write https://rtp.example, wss://rtp.example or redis://host:6379/0",
        )
    return scheme in _REDIS


def websocket_url(url: str) -> str:
    """The address of the gateway's WebSocket."""
    parts = urlsplit(url)
    path = parts.path.removesuffix("/").removesuffix(_PATH) + _PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))
