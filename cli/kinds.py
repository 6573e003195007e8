"""The options that name a kind, and what it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from core.errors import SettingsError
from core.kinds import SHIPPED, entity_words
from rtp_client.event import KIND_PATTERN
from rtp_client.redact import shown

if TYPE_CHECKING:
    from core.settings.models import Settings

KINDS = "|".join((*SHIPPED, "..."))
ENTITY = ("--entity", *(f"--{word}" for word in entity_words(SHIPPED)))
_MaybeName = TypeVar("_MaybeName", str, str | None)


def kind_name(text: str) -> str:
    """A kind by its name, in any case. Settings can have kinds of their own, so only `known_kind` can tell whether."""
    name = text.strip().lower()
    if not re.fullmatch(KIND_PATTERN, name):
        raise SettingsError(f"option --kind: {shown(text)!r} is no kind's name", f"rtp's own are {', '.join(SHIPPED)}")
    return name


def known_kind(name: _MaybeName, settings: Settings) -> _MaybeName:
    """The same name, where the settings have such a kind. Raises SettingsError."""
    if name is not None and name not in settings.all_kinds:
        raise SettingsError(f"option --kind: must be one of {', '.join(settings.all_kinds)}")
    return name
