"""Aliases: former names, each with the name of today that it stands for. Pure: no SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def called_now(name: str, aliases: Mapping[str, str] | None) -> str:
    """The name that an alias stands for; any other name as it is."""
    return aliases.get(name, name) if aliases else name


def former_names(name: str, aliases: Mapping[str, str] | None) -> list[str]:
    """The aliases that stand for a name."""
    return [former for former, now in aliases.items() if now == name] if aliases else []
