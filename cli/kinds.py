"""The options that name a kind and what it is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.kinds import SHIPPED
from rtp_client.event import KIND_PATTERN

if TYPE_CHECKING:
    from collections.abc import Collection

KINDS = "|".join(SHIPPED)
ENTITY = tuple(dict.fromkeys(("--entity", *(f"--{kind.entity}" for kind in SHIPPED.values()))))


def kind_name(text: str) -> str:
    """A kind by its name, in any case."""
    name = text.lower()
    if name not in SHIPPED or not re.fullmatch(KIND_PATTERN, name):
        raise SettingsError(f"option --kind: must be one of {', '.join(SHIPPED)}")
    return name


def one_of(names: Collection[str]) -> str:
    """Names in a sentence: `tvl, price or protocol`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
