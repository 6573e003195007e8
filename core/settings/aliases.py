"""Former names of entities and chains: rows under an alias are those of the name that it stands for."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from core.settings.fields import Text

_MOST_ALIASES = 1000


def _names_of_today(aliases: dict[str, str]) -> dict[str, str]:
    if aliases.keys() == {"table", "from", "to"}:
        raise ValueError("must be former names, each with its name of today: they are not read from a table")
    for former, name in aliases.items():
        if former == name:
            raise ValueError(f"{former} cannot be an alias of itself")
        if name in aliases:
            raise ValueError(f"{former} leads to {name}, an alias itself. Name {aliases[name]} for both")
    return aliases


Aliases = Annotated[dict[Text, Text], Field(max_length=_MOST_ALIASES), AfterValidator(_names_of_today)]
