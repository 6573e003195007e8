"""Who is told in a demo: whoever its settings name, and nobody outside of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.settings.notify import audience_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.settings.models import Settings
    from core.settings.notify import Audience

# What a desk would want of such a market: what is serious, at most a message in three seconds.
_DESK: dict[str, Any] = {"name": "desk", "match": {"severity": "warning"}, "digest": "5s", "limit": "20/min"}


def with_demo_notify(settings: Settings, address: Callable[[str], str]) -> Settings:
    """The settings with every destination's address replaced by a local one; with a desk, where they name nobody."""
    audiences = tuple(_told_here(one, address) for one in settings.notify) or (_desk(settings, address),)
    return settings.model_copy(update={"notify": audiences})


def _told_here(audience: Audience, address: Callable[[str], str]) -> Audience:
    places = [to.model_copy(update={"url": address(name)}) for name, to in audience.destinations.items()]
    return audience.model_copy(update={"to": tuple(places)})


def _desk(settings: Settings, address: Callable[[str], str]) -> Audience:
    return audience_model(settings.all_kinds).model_validate(_DESK | {"to": address("desk/1")})
