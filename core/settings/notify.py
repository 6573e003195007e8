"""`notify:` in the settings: the audiences, where each is told, of which events, and how."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from core.errors import SettingsError
from core.kinds import SHIPPED, Kinds
from core.settings.fields import Duration, Real, SettingsModel, Text, derived, matching
from core.settings.located_yaml import Block, Place
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


def agreed(audiences: Sequence[Audience]) -> tuple[Audience, ...]:
    """The audiences, each escalation with the names of those it tells. Raises ValidationError where they disagree."""
    told = tuple(_with_next(audiences))
    problems = [*_name_twice(told), *_to_nobody(told), *_in_circles(told), *_never_told(told)]
    if problems:
        raise ValidationError.from_exception_data("notify", problems)
    return told


def _with_next(audiences: Sequence[Audience]) -> Iterator[Audience]:
    for place, audience in enumerate(audiences):
        escalation = audience.unless_acknowledged
        if escalation is None or escalation.tell is not None:
            yield audience
            continue
        if place + 1 == len(audiences):
            text = "tells the audience that follows, and none does. Name it: {after: 10m, tell: boss}"
            raise ValidationError.from_exception_data("notify", [_problem((place, "unless_acknowledged"), text)])
        following = escalation.model_copy(update={"tell": (audiences[place + 1].name,)})
        yield audience.model_copy(update={"unless_acknowledged": following})


def _name_twice(audiences: Sequence[Audience]) -> Iterator[InitErrorDetails]:
    seen: set[str] = set()
    for place, audience in enumerate(audiences):
        if audience.name in seen:
            yield _problem((place, "name"), f"{audience.name} is another audience's name, too. Change one of them")
        seen.add(audience.name)
    for place, audience in enumerate(audiences):
        for number, destination in enumerate(audience.to):
            if destination.name in seen:
                text = f"{destination.name} is the name of another destination or an audience, too. Change one of them"
                yield _problem((place, "to", number, "name"), text)
            seen.update([destination.name] if destination.name else [])


def _to_nobody(audiences: Sequence[Audience]) -> Iterator[InitErrorDetails]:
    names = [audience.name for audience in audiences]
    for place, audience in enumerate(audiences):
        for name in audience.tells:
            if name not in names:
                close = get_close_matches(name, names, n=1)
                meant = f"Did you mean {close[0]}?" if close else f"There are {', '.join(names)}"
                yield _problem((place, "unless_acknowledged", "tell"), f"{name} is no audience. {meant}")


def _in_circles(audiences: Sequence[Audience]) -> Iterator[InitErrorDetails]:
    told = {audience.name: audience.tells for audience in audiences}
    for place, audience in enumerate(audiences):
        if audience.name in _reached_from(audience.name, told):
            text = f"leads back to {audience.name}, which would be told for ever. End the circle"
            yield _problem((place, "unless_acknowledged", "tell"), text)


def _reached_from(name: str, told: Mapping[str, Collection[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(told[name])
    while waiting:
        if (following := waiting.pop()) not in reached:
            reached.add(following)
            waiting += told.get(following, ())
    return reached


def _never_told(audiences: Sequence[Audience]) -> Iterator[InitErrorDetails]:
    told = {name for audience in audiences for name in audience.tells}
    for place, audience in enumerate(audiences):
        if audience.only_escalated and audience.name not in told:
            text = f"is true, and no audience's unless_acknowledged tells {audience.name}. Name it there"
            yield _problem((place, "only_escalated"), text)


def _problem(place: Place, text: str) -> InitErrorDetails:
    return InitErrorDetails(type="value_error", loc=place, input=None, ctx={"error": ValueError(text)})
