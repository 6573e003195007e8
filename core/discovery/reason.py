"""Why a column is taken for something, in one readable line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.discovery.picture import FoundTable
    from core.discovery.roles import Roles

_HOUR, _DAY = 60, 1440


def reason_for(table: FoundTable, what: str, roles: Roles, shape: str) -> str:
    """The facts that speak for it: its type, its shape, and how often it is written."""
    by = " and ".join(
        column for column in (roles.entity, roles.group, roles.source if roles.has_many_sources else None) if column
    )
    if shape == "latest":
        facts = [what, f"one row per {by}", often(table.updates_per_minute, "updated")]
    else:
        facts = [what, f"a row per sample of {by} by {roles.changed_at}", often(table.inserts_per_minute, "written")]
    return ", ".join(fact for fact in facts if fact)


def often(per_minute: float | None, done: str) -> str:
    """How often something is done, in the unit that people would choose; nothing where nobody knows."""
    if per_minute is None:
        return ""
    if not per_minute:
        return f"not {done} so far"
    for times, unit in ((per_minute, "minute"), (per_minute * _HOUR, "hour"), (per_minute * _DAY, "day")):
        if times >= 1:
            rounded = round(times, 1 - len(str(int(times)))) if times >= 100 else round(times)
            return f"{done} {_times(int(rounded))} {'an' if unit == 'hour' else 'a'} {unit}"
    return f"hardly ever {done}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")
