"""A destination's voice: alerts go in, and what the service answers comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.notify.service.apprise_service import AppriseService
from core.notify.words.compose import compose
from core.notify.words.templates import Template, TemplateFailed, template_of
from core.notify.words.view import Background
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.notify.answer import Answer
    from core.notify.words.compose import Appeal
    from core.notify.words.message import Message
    from core.settings.models import Settings
    from core.settings.notify import Audience, NotifyDestination
    from rtp_client.event import Event


class Voice:
    """For any threads. `audience` is whom it speaks to."""

    def __init__(
        self,
        name: str,
        audience: str,
        service: AppriseService,
        template: Template,
        background: Background,
        on_problem: Callable[[Problem], None],
    ) -> None:
        self.name, self.audience = name, audience
        self._service, self._template, self._background = service, template, background
        self._on_problem = on_problem

    @property
    def service(self) -> str:
        return self._service.kind

    @property
    def scheme(self) -> str:
        """As of an address of the service's."""
        return self._service.scheme

    def message(self, events: Sequence[Event], appeal: Appeal | None = None, *, opening: str = "") -> Message:
        """What it would say of these events. A template that fails for them is told of, and the shipped one says it."""
        template = self._template
        manner = self._service.manner(template.format)
        try:
            return compose(events, template, manner, self._background, appeal, opening=opening)
        except TemplateFailed as failure:
            self._on_problem(Problem(f"{self.name}: the shipped template is used, as {failure}", "notify"))
            shipped = Template(template.name, template.format)
            return compose(events, shipped, manner, self._background, appeal, opening=opening)

    def tell(self, events: Sequence[Event], appeal: Appeal | None = None, *, opening: str = "") -> Answer:
        """Say it."""
        return self._service.tell(self.message(events, appeal, opening=opening))

    def close(self) -> None:
        self._service.close()


def voices(
    settings: Settings, environ: Mapping[str, str], on_problem: Callable[[Problem], None], only: str | None = None
) -> dict[str, Voice]:
    """The voices of all destinations by name, or of one destination or audience. Raises SettingsError."""
    background = Background.of(settings)
    return {
        name: _voice(name, audience, to, f"notify[{place}]", environ, background, on_problem)
        for place, audience in enumerate(settings.notify)
        for name, to in audience.destinations.items()
        if only in (None, name, audience.name)
    }


def _voice(
    name: str,
    audience: Audience,
    to: NotifyDestination,
    place: str,
    environ: Mapping[str, str],
    background: Background,
    on_problem: Callable[[Problem], None],
) -> Voice:
    template = template_of(audience.template, f"{place}.template")
    service = AppriseService(to.address(environ), place=f"{place}.to: {name}", timeout_seconds=to.timeout_seconds)
    return Voice(name, audience.name, service, template, background, on_problem)
