"""The audiences of `notify:` beside one another: each name is one's alone, and every escalation leads to somebody."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

if TYPE_CHECKING:
    from core.settings.located_yaml import Place
    from core.settings.notify import Audience


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
