"""The options that name a kind, and what it is about."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.kinds import SHIPPED, entity_words
from rtp_client.event import KIND_PATTERN
from rtp_client.redact import shown

if TYPE_CHECKING:
    from core.settings.models import Settings

KINDS = "|".join((*SHIPPED, "..."))
ENTITY = ("--entity", *(f"--{word}" for word in entity_words(SHIPPED)))


def kind_name(text: str) -> str:
    """A kind by its name, in any case. Settings can define kinds: `require_kind` tells whether theirs have this one."""
    name = text.strip().lower()
    if not re.fullmatch(KIND_PATTERN, name):
        raise SettingsError(f"option --kind: {shown(text)!r} is no kind's name", f"rtp's own are {', '.join(SHIPPED)}")
    return name


def require_kind(name: str | None, settings: Settings, *others: str) -> None:
    """Raise SettingsError where a kind is named that is neither the settings' nor one of the others."""
    if name is not None and name not in (*settings.all_kinds, *others):
        close = get_close_matches(name, settings.all_kinds, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise SettingsError(
            f"option --kind: must be one of {', '.join(settings.all_kinds)}, not {shown(name)!r}",
            f"{meant}Kinds of your own come from the settings file: --config",
        )
