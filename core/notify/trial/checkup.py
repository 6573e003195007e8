"""Would people be told by these settings? Templates are rendered and addresses read; nobody is told anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.notify.acknowledgement.links import KEY_VARIABLE, key_from
from core.notify.service.apprise_service import AppriseService
from core.notify.trial.sample import sample_for
from core.notify.words.compose import compose
from core.notify.words.manner import PLAIN
from core.notify.words.templates import TemplateFailed, template_of
from core.notify.words.view import Background
from core.settings.variables import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.notify.words.templates import Template
    from core.settings.models import Settings
    from core.settings.notify import Audience


@dataclass(frozen=True)
class NotifyCheckup:
    """What is wrong, and what could not be looked at."""

    problems: Sequence[str]
    warnings: Sequence[str]


def check_notify(settings: Settings, environ: Mapping[str, str]) -> NotifyCheckup:
    """Look at every audience."""
    problems: list[str] = []
    warnings: list[str] = []
    for place, audience in enumerate(settings.notify):
        problems += _template_problems(settings, audience, f"notify[{place}].template")
        for number, (name, to) in enumerate(audience.destinations.items()):
            if isinstance(to.url, Variable) and not environ.get(to.url, "").strip():
                warnings.append(f"{name}: its address is in {to.url}, which is not set here")
                continue
            try:
                AppriseService(
                    to.address(environ), place=f"notify[{place}].to[{number}]", timeout_seconds=to.timeout_seconds
                ).close()
            except SettingsError as error:
                problems.append(str(error))
    try:
        warnings += _link_warnings(settings, environ)
    except SettingsError as error:
        problems.append(str(error))
    return NotifyCheckup(problems, warnings)


def _link_warnings(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Where one half of what links need is there, the other was meant to be."""
    if not any(audience.unless_acknowledged for audience in settings.notify):
        return
    if key_from(environ) and not settings.serve.public_url:
        yield f"{KEY_VARIABLE} is set, and serve.public_url is not: messages have no link to acknowledge them by"


def _template_problems(settings: Settings, audience: Audience, place: str) -> Iterator[str]:
    try:
        template = template_of(audience.template, place)
    except SettingsError as error:
        yield str(error)
        return
    try:
        _render(settings, audience, template)
    except TemplateFailed as failure:
        yield f"{place}: {failure}"


def _render(settings: Settings, audience: Audience, template: Template) -> None:
    """As of one alert, and as of several in one message."""
    event = sample_for(settings, audience)
    for count in (1, 3):
        compose([event] * count, template, PLAIN, Background.of(settings))
