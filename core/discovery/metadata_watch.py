"""The watch that is proposed for a table that describes protocols."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.discovery.measures import METADATA_WORDS
from core.discovery.proposal import WatchProposal
from core.discovery.reason import reason_for
from core.discovery.roles import find_roles
from core.discovery.value_watch import columns_of
from core.discovery.words import words_of
from core.discovery.zone import zone_for

if TYPE_CHECKING:
    from core.discovery.picture import FoundTable, Picture

_ENTITIES = ("protocol", "project", "dapp", "slug")
_FEWEST_DESCRIBED = 2


def metadata_watch(table: FoundTable, picture: Picture) -> WatchProposal | None:
    """A proposal where a table with one row per protocol describes it; else None."""
    roles = find_roles(table, _ENTITIES, ())
    if roles is None or not roles.naming.is_key or table.obstacle:
        return None
    said = {word.removesuffix("s") for word in (*words_of(table.name), *words_of(roles.entity))}
    watched = [
        column.name
        for column in table.columns
        if column.is_text and column.name not in roles.key and set(words_of(column.name)) & METADATA_WORDS
    ]
    if not said & set(_ENTITIES) or len(watched) < _FEWEST_DESCRIBED:
        return None
    columns = columns_of(replace(roles, confidence=None, source=None), "protocol", None)
    watch: dict[str, Any] = {"kind": "protocol", "table": table.place, "watched": watched}
    remarks = {}
    if zone := zone_for(table, roles.changed_at, picture):
        watch["timezone"], remarks["timezone"] = zone
    reason = reason_for(table, f"{', '.join(watched[:3])} and the like", roles, "latest")
    title = "what describes protocols"
    return WatchProposal("", table, None, title, watch | {"columns": columns}, reason, remarks=remarks)
