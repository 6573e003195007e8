"""Former names of entities and chains: rows under an alias are those of the name that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from core.settings.fields import Identifier, SettingsModel, Table, Text

MOST_ALIASES = 1000
IN_TABLE = "aliases in a table"
"""What pydantic calls the one of the two forms; it is no key."""


class AliasTable(SettingsModel):
    """A table of former names: of each row, one column holds an alias, and another the name that it stands for.

    It is read at installation.
    """

    table: Table
    former: Identifier = Field(alias="from")
    now: Identifier = Field(alias="to")

    @property
    def table_parts(self) -> tuple[str, ...]:
        """The table's name as identifiers."""
        return tuple(self.table.split(".")) if "." in self.table else ("public", self.table)


def names_of_today(aliases: dict[str, str]) -> dict[str, str]:
    """The aliases as they are. Raises ValueError for one that leads to no name of today."""
    for former, name in aliases.items():
        if former == name:
            raise ValueError(f"{former} cannot be an alias of itself")
        if name not in aliases:
            continue
        if (last := _end_of(name, aliases)) is None:
            raise ValueError(f"{former} leads to {name}, which leads back to it. Leave one of them out")
        raise ValueError(f"{former} leads to {name}, an alias itself. Name {last} for both")
    return aliases


def _end_of(name: str, aliases: Mapping[str, str]) -> str | None:
    """The name that no alias leads on from; None where they go round in a circle."""
    seen = {name}
    while (following := aliases.get(name)) is not None:
        if following in seen:
            return None
        seen.add(following)
        name = following
    return name


def written_out(aliases: Aliases | None) -> Mapping[str, str] | None:
    """The aliases that the settings themselves name."""
    return None if isinstance(aliases, AliasTable) else aliases


def _form(written: Any) -> str:
    is_table = isinstance(written, AliasTable) or (
        isinstance(written, dict) and "table" in written and not written.keys().isdisjoint({"from", "to"})
    )
    return IN_TABLE if is_table else ""


_WrittenOut = Annotated[dict[Text, Text], Field(max_length=MOST_ALIASES), AfterValidator(names_of_today)]
Aliases = Annotated[
    Annotated[_WrittenOut, Tag("")] | Annotated[AliasTable, Tag(IN_TABLE)],
    Discriminator(_form),
]
