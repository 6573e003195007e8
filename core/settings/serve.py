"""`rtp serve` in the settings: where it listens, who may come in, and how much each may ask for."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from core.settings.addresses import is_loopback, listening_at, split_address
from core.settings.fields import Listening, Real, SettingsModel, Text, Whole

DEFAULT_LISTEN = "127.0.0.1:8787"
_SHARED = ("HS256", "HS384", "HS512")
_PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_Algorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


def _origin(text: str) -> str:
    parts = split_address(text, ("http", "https"))
    if not parts.hostname or "@" in parts.netloc or parts.path.strip("/") or parts.query:
        raise ValueError("must be a scheme and a host, e.g. https://desk.example")
    return f"{parts.scheme}://{parts.netloc}".lower()


def _public_url(text: str) -> str:
    parts = split_address(text, ("http", "https"))
    if not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("must be the address as people open it, e.g. https://rtp.example")
    if parts.path.strip("/"):
        raise ValueError("must end after the host: rtp serve answers at the root. Give it a host name of its own")
    return text.rstrip("/")


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("must be an IP address or a network, e.g. 10.0.0.0/8") from None
    return text


def _bearer_token(token: str) -> str:
    # What an Authorization header and a WebSocket's subprotocol can carry alike.
    if not re.fullmatch(r"[A-Za-z0-9._~-]{16,1024}", token):
        raise ValueError("must be 16 to 1024 letters, digits and . _ ~ -. `openssl rand -hex 32` makes one")
    return token


def _shared_key(key: str) -> str:
    if len(key.encode()) < 32:
        raise ValueError("must be 32 bytes or more, or it could be guessed. `openssl rand -hex 32` makes one")
    return key


_Origin = Annotated[str, AfterValidator(_origin)]
_File = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class JwtSettings(SettingsModel):
    """How tokens are checked that somebody else has signed: with one key, or with those of a set."""

    key: Annotated[str, StringConstraints(max_length=4096), AfterValidator(_shared_key)] | None = Field(
        default=None, repr=False
    )
    key_file: _File | None = None
    jwks_file: _File | None = None
    algorithms: tuple[_Algorithm, ...] = Field(default=(), max_length=10)
    audience: Text | None = None
    issuer: Text | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        given = [name for name in ("key", "key_file", "jwks_file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"has {' and '.join(given) or 'no key'}. Give one of key, key_file and jwks_file")
        fitting = _SHARED if self.key is not None else _PUBLIC
        if unfit := [name for name in self.algorithms if name not in fitting]:
            # A public key that is taken for a shared one would let anybody sign.
            raise ValueError(f"has {given[0]}, which {unfit[0]} does not use. It takes {', '.join(fitting)}")
        return self

    @property
    def accepted(self) -> tuple[str, ...]:
        """The algorithms that a token may be signed by."""
        return self.algorithms or (("HS256",) if self.key is not None else ("RS256", "ES256", "EdDSA"))


class TlsSettings(SettingsModel):
    """The certificate, with its chain, and its key: files in PEM."""

    certificate: _File
    key: _File


class ServeLimits(SettingsModel):
    """How much may be asked for. Beyond it a client is told so, and a connection that goes on is closed."""

    connections: Whole = Field(default=10_000, ge=1, le=1_000_000)
    connections_per_address: Whole = Field(default=100, ge=1, le=1_000_000)
    subscriptions: Whole = Field(default=100, ge=1, le=10_000)
    message_bytes: Whole = Field(default=16_384, ge=256, le=1_048_576)
    messages_per_second: Real = Field(default=20, ge=0.1, le=100_000)
    queue: Whole = Field(default=2_000, ge=1, le=1_000_000)


class ServeSettings(SettingsModel):
    """The gateway: WebSocket, Server-Sent Events, REST and the page."""

    listen: Listening = DEFAULT_LISTEN
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    origins: tuple[_Origin, ...] = Field(default=(), max_length=100)
    token: Annotated[str, AfterValidator(_bearer_token)] | None = Field(default=None, repr=False)
    jwt: JwtSettings | None = None
    tls: TlsSettings | None = None
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(default=(), max_length=100)
    window: Whole = Field(default=20_000, ge=100, le=1_000_000)
    ping_seconds: Real = Field(default=20, ge=0.1, le=3600)
    idle_timeout_seconds: Real = Field(default=30, ge=0.1, le=3600)
    drain_seconds: Real = Field(default=10, ge=0, le=600)
    limits: ServeLimits = ServeLimits()

    @property
    def asks_for_token(self) -> bool:
        return self.token is not None or self.jwt is not None

    @property
    def is_public(self) -> bool:
        """Whether others than this machine reach it."""
        return not is_loopback(listening_at(self.listen)[0])

    @property
    def own_hosts(self) -> frozenset[str]:
        """The hosts, with their ports where they have any, under which it is known to be reached."""
        return frozenset({urlsplit(self.public_url).netloc.lower()} if self.public_url else ())
