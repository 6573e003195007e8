"""`notify:` in the settings: an audience, where it is told, of which events, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from core.errors import SettingsError
from core.kinds import SHIPPED, Kinds
from core.settings.fields import Duration, Real, SettingsModel, Text, derived, matching
from core.settings.located_yaml import Block
from core.settings.rhythm import LimitOrOff, QuietHours
from core.settings.routes import RouteMatch, match_model
from core.settings.variables import Secret, Variable, checked, whence

MOST_AUDIENCES = 100
SHIPPED_TEMPLATES = ("text", "markdown", "html")
TEMPLATE_ENDINGS = {".txt.j2": "text", ".md.j2": "markdown", ".html.j2": "html"}
"""What a template's own file ends in, and the format that it is written in."""


def _address(address: str) -> str:
    # What a service makes of the rest is known to Apprise, which not every installation has.
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address):
        raise ValueError("must be an address as Apprise takes it, like tgram://TOKEN/CHAT, with %20 for a space")
    return address


def _one_or_more(written: Any) -> Any:
    return written if isinstance(written, (list, tuple)) else [written]


Name = Annotated[
    str,
    matching(r"[a-z][a-z0-9_-]{0,39}", "a name of up to 40 small letters, digits, - and _ that starts with a letter"),
]


class NotifyDestination(SettingsModel):
    """Where messages go. Its address alone is enough; `{env: NAME}` is short for `{url: {env: NAME}}`."""

    url: Annotated[Secret, checked(_address)] = Field(repr=False)
    name: Name | None = None
    limit: LimitOrOff | None = None
    timeout_seconds: Real = Field(default=10, gt=0, le=60)

    @model_validator(mode="before")
    @classmethod
    def _address_alone(cls, written: Any) -> Any:
        if isinstance(written, str):
            return {"url": written}
        if not isinstance(written, dict) or "env" not in written:
            if isinstance(written, dict) and "url" not in written:
                raise ValueError("has no address. Give it env: NAME, for the variable that holds it, or url: ADDRESS")
            return written
        if "url" in written:
            raise ValueError("has env and url. Keep one of them")
        named = Block(written.line) if isinstance(written, Block) else {}
        named["env"] = written["env"]
        return {key: value for key, value in written.items() if key != "env"} | {"url": named}

    def address(self, environ: Mapping[str, str]) -> str:
        """The address itself. Raises SettingsError where the variable that holds it holds none."""
        if not isinstance(self.url, Variable):
            return self.url
        place = whence(self.url, "notify", ())
        if not (held := environ.get(self.url, "").strip()):
            raise SettingsError(f"{place}: names the environment variable {self.url}, which is not set", "Set it")
        try:
            return _address(held)
        except ValueError as error:
            raise SettingsError(f"{place}: what the environment variable {self.url} holds {error}") from None


class Escalation(SettingsModel):
    """Who is told next of what nobody has acknowledged for so long. `10m` alone tells the audience that follows."""

    after: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(days=7))]
    tell: Annotated[tuple[Name, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=20)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _time_alone(cls, written: Any) -> Any:
        return written if isinstance(written, (dict, Escalation)) else {"after": written}


class Audience(SettingsModel):
    """People who are told of the same events, each at a destination of their own or together at one."""

    name: Name
    to: Annotated[tuple[NotifyDestination, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=50)] = (
        Field(repr=False)
    )
    match: RouteMatch = Field(default_factory=match_model(SHIPPED))
    only_escalated: StrictBool = False
    template: Text | None = None
    digest: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] | None = None
    quiet: QuietHours | None = None
    limit: LimitOrOff | None = None
    give_up_after: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=7))] = timedelta(days=1)
    unless_acknowledged: Escalation | None = None

    @field_validator("template")
    @classmethod
    def _beside_the_settings(cls, template: str | None, info: ValidationInfo) -> str | None:
        if template is None or template in SHIPPED_TEMPLATES:
            return template
        if not template.endswith(tuple(TEMPLATE_ENDINGS)):
            raise ValueError(
                f"must be {', '.join(SHIPPED_TEMPLATES)}, or a file that ends in {', '.join(TEMPLATE_ENDINGS)}"
            )
        file = (info.context or {}).get("file")
        return str(Path(file).absolute().parent / template) if file else template

    @property
    def destinations(self) -> Mapping[str, NotifyDestination]:
        """Its destinations by name: their own, or the audience's and a number."""
        return {to.name or f"{self.name}/{number}": to for number, to in enumerate(self.to, start=1)}

    @property
    def tells(self) -> tuple[str, ...]:
        """The audiences to which it escalates."""
        return (self.unless_acknowledged and self.unless_acknowledged.tell) or ()


def audience_model(kinds: Kinds) -> type[Audience]:
    """The model of an audience for events of these kinds."""
    match = match_model(kinds)
    return derived(Audience, match=(match, match()))
