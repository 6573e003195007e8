"""The webhooks in the settings: one, or several by name."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from core.errors import SettingsError
from core.settings.addresses import is_loopback, split_address
from core.settings.fields import Real, SettingsModel, Whole, matching
from core.settings.routes import RouteMatch
from core.settings.variables import Secret, Variable, checked, whence

UNNAMED = ""
"""The name of the webhook where the section is one."""


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


_HeaderName = Annotated[
    str, matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "a header's name"), AfterValidator(_header_name)
]
_Name = Annotated[
    str,
    matching(r"|[a-z][a-z0-9_-]{0,39}", "a name of up to 40 small letters, digits, - and _ that starts with a letter"),
]


class Webhook(SettingsModel):
    """Where events are posted, which of them, and how."""

    # Before the address, whose check asks for them.
    allow_plain: StrictBool = False
    headers: Mapping[_HeaderName, Annotated[Secret, checked(_header_value)]] = Field(
        default_factory=dict, max_length=50, repr=False
    )
    url: Annotated[Secret, checked(_webhook_url)] = Field(repr=False)
    mode: Literal["structured", "binary", "batched"] = "structured"
    match: RouteMatch | None = None
    secrets: tuple[Annotated[Secret, checked(_signing_key)], ...] = Field(default=(), max_length=10, repr=False)
    timeout_seconds: Real = Field(default=5, gt=0, le=60)
    concurrency: Whole = Field(default=4, ge=1, le=64)
    batch_size: Whole = Field(default=100, ge=1, le=1000)

    @field_validator("url")
    @classmethod
    def _is_private(cls, url: str, info: ValidationInfo) -> str:
        address = urlsplit("" if isinstance(url, Variable) else url)
        if address.scheme == "http" and not info.data.get("allow_plain") and not is_loopback(address.hostname or ""):
            raise ValueError("is not https: anyone on the way could read it. Write https://, or set allow_plain: true")
        return url

    @field_validator("url")
    @classmethod
    def _has_one_authorization(cls, url: str, info: ValidationInfo) -> str:
        address = urlsplit("" if isinstance(url, Variable) else url)
        names = {name.lower() for name in info.data.get("headers", ())}
        if address.username is not None and "authorization" in names:
            raise ValueError("has a user, and there is a header Authorization. Keep one of them")
        return url

    @field_validator("headers")
    @classmethod
    def _name_each_once(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        seen: set[str] = set()
        for name in headers:
            if name.lower() in seen:
                raise ValueError(f"name {name} twice, but for capital letters. Keep one of them")
            seen.add(name.lower())
        return headers

    def resolved(self, place: str, environ: Mapping[str, str]) -> Webhook:
        """The same with what the environment holds; `place` is where it stands. Raises SettingsError."""
        texts: dict[tuple[str | int, ...], str] = {
            ("url",): self.url,
            **{("secrets", number): secret for number, secret in enumerate(self.secrets)},
            **{("headers", name): value for name, value in self.headers.items()},
        }
        variables = {loc: text for loc, text in texts.items() if isinstance(text, Variable)}
        for loc, variable in variables.items():
            if not environ.get(variable):
                text = f"names the environment variable {variable}, which is not set"
                raise SettingsError(f"{whence(variable, place, loc)}: {text}", "Set it")
        held = {loc: environ[text].strip() if loc in variables else text for loc, text in texts.items()}
        given = vars(self) | {
            "url": held["url",],
            "secrets": [held["secrets", number] for number in range(len(self.secrets))],
            "headers": {name: held["headers", name] for name in self.headers},
        }
        try:
            return Webhook.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            variable, what = variables[first["loc"]], first.get("ctx", {}).get("error", first["msg"])
            named_at = whence(variable, place, first["loc"])
            raise SettingsError(f"{named_at}: what the environment variable {variable} holds {what}") from None


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
        if UNNAMED in section:
            return section
        named = [value for name, value in section.items() if name not in _KEYS and isinstance(value, dict)]
        keys = [key for key in section if key in _KEYS]
        # Beside keys of a webhook, a mapping can also be one of these keys misspelt.
        if not named or (keys and not any("url" in value for value in named)):
            return {UNNAMED: section}
        if keys:
            raise ValidationError.from_exception_data(cls.__name__, [_misplaced(key) for key in keys])
        return section


def _misplaced(key: str) -> InitErrorDetails:
    example = ", e.g. {env: NAME}" if key == "url" else ""
    error = ValueError(f"does not go with named webhooks. Give each its {key}{example}")
    return InitErrorDetails(type="value_error", loc=(key,), input=None, ctx={"error": error})
