"""How every destination of the settings is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.notify.acknowledgement.appeals import appeals_of
from core.notify.choice.choose import rules_of
from core.notify.choice.limits import limit_of
from core.notify.tellers.retries import Patience
from core.notify.tellers.telling import Telling
from core.notify.voice import Voice, voices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.notify.acknowledgement.appeals import Appeals
    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.problem import Problem
    from core.settings.models import Settings
    from core.settings.notify import Audience


def build_tellings(
    settings: Settings, environ: Mapping[str, str], on_problem: Callable[[Problem], None]
) -> dict[str, Telling]:
    """By the destinations' names. Raises SettingsError."""
    speaking, appeals = voices(settings, environ, on_problem), appeals_of(settings, environ)
    return {
        name: Telling(
            rules_of(audience, limit_of(to, audience, speaking[name].scheme)),
            Patience(give_up_after_seconds=audience.give_up_after.total_seconds()),
            _telling_by(speaking[name], audience, appeals),
        )
        for audience in settings.notify
        for name, to in audience.destinations.items()
    }


def _telling_by(voice: Voice, audience: Audience, appeals: Appeals | None) -> Callable[[Sequence[Alert]], Answer]:
    def tell(alerts: Sequence[Alert]) -> Answer:
        events = [alert.event for alert in alerts]
        return voice.tell(events, appeals.to(audience, events) if appeals else None)

    return tell
