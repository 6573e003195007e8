"""The webhooks in the settings: one, or several by name."""

from __future__ import annotations

import binascii
import os
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationInfo,
    field_validator,
    model_validator,
)

from core.settings.addresses import is_loopback, split_address
from core.settings.fields import Real, SettingsModel, Whole, matching
from core.settings.routes import RouteMatch

UNNAMED = ""
"""The name of the webhook where the section is one."""


def _from_environment(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, dict):
        return value
    name = value.get("env")
    if len(value) != 1 or not isinstance(name, str):
        raise ValueError("must be text, or {env: NAME} for what an environment variable holds")
    environ = (info.context or {}).get("environ", os.environ)
    if not environ.get(name):
        raise ValueError(f"names the environment variable {name}, which is not set. Set it")
    return environ[name].strip()


def _webhook_url(url: str) -> str:
    address = split_address(url, ("http", "https"))
    if not address.hostname:
        raise ValueError("names no host, e.g. https://hooks.example/rtp")
    if not re.fullmatch(r"[!-~]+", url):
        raise ValueError("holds characters other than ASCII. Percent-encode them, and write the host as xn--…")
    return url


def _signing_key(secret: str) -> str:
    try:
        length = len(b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not 24 <= length <= 64:
        raise ValueError("must be whsec_ and 24 to 64 random bytes in base64, as `openssl rand -base64 32` makes them")
    return secret


def _header_value(value: str) -> str:
    if not re.fullmatch(r"[!-~]([ -~\t]*[!-~])?", value):
        raise ValueError("must be printable ASCII without spaces around it")
    return value


# What rtp says itself, and what would change how a request is to be read.
_OWN_HEADERS = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding", "user-agent"})


def _header_name(name: str) -> str:
    if name.lower() in _OWN_HEADERS or name.lower().startswith(("webhook-", "ce-")):
        raise ValueError("is a header that rtp sets itself. Leave it out")
    return name


_Secret = Annotated[str, BeforeValidator(_from_environment), Field(max_length=4096)]
_HeaderName = Annotated[
    str, matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "a header's name"), AfterValidator(_header_name)
]
_Name = Annotated[
    str,
    matching(r"|[a-z][a-z0-9_-]{0,39}", "a name of up to 40 small letters, digits, - and _ that starts with a letter"),
]


class Webhook(SettingsModel):
    """Where events are posted, which of them, and how."""

    allow_plain: bool = False  # before the address, whose check asks for it
    url: Annotated[_Secret, AfterValidator(_webhook_url)] = Field(repr=False)
    mode: Literal["structured", "binary", "batched"] = "structured"
    match: RouteMatch | None = None
    secrets: tuple[Annotated[_Secret, AfterValidator(_signing_key)], ...] = Field(default=(), max_length=10, repr=False)
    headers: Mapping[_HeaderName, Annotated[_Secret, AfterValidator(_header_value)]] = Field(
        default_factory=dict, max_length=50, repr=False
    )
    timeout_seconds: Real = Field(default=5, gt=0, le=60)
    concurrency: Whole = Field(default=4, ge=1, le=64)
    batch_size: Whole = Field(default=100, ge=1, le=1000)

    @field_validator("url")
    @classmethod
    def _is_private(cls, url: str, info: ValidationInfo) -> str:
        address = urlsplit(url)
        if address.scheme == "http" and not info.data.get("allow_plain") and not is_loopback(address.hostname or ""):
            raise ValueError("is not https: anyone on the way could read it. Write https://, or set allow_plain: true")
        return url


_KEYS = frozenset(Webhook.model_fields)


class WebhookSettings(RootModel[dict[_Name, Webhook]]):
    """The webhooks by name. One alone needs none: then its keys stand in the section itself."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    root: dict[_Name, Webhook] = Field(default_factory=dict, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, section: Any) -> Any:
        if not isinstance(section, dict) or not section:
            return section
        is_named = all(isinstance(value, dict) for value in section.values()) and not section.keys() & _KEYS
        return section if is_named or UNNAMED in section else {UNNAMED: section}
