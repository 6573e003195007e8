"""The rule that holds for a row, as SQL: the most specific override that sets a key, else the watch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from core.settings.rules import by_specificity, is_glob, override_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.settings.watches import Override, SeverityTiers, ValueWatch


def rule_part(watch: ValueWatch, row: str, name: str) -> sql.Composable:
    """One part of the rule of a row with columns chain and entity, as a value of its SQL type."""
    setting, part, sql_type = _RULE_PARTS[name]

    def literal(source: ValueWatch | Override) -> sql.Composed:
        value = override_value(source, setting)
        return sql.SQL("{}::{}").format(sql.Literal(None if value is None else part(value)), sql.SQL(sql_type))

    own = literal(watch)
    setting_it = [
        override
        for override in (watch.overrides[i] for i in by_specificity(watch.overrides))
        if override_value(override, setting) is not None
    ]
    if not setting_it:
        return own
    cases = sql.SQL(" ").join(
        sql.SQL("WHEN {} THEN {}").format(_applies(row, override), literal(override)) for override in setting_it
    )
    return sql.SQL("CASE {} ELSE {} END").format(cases, own)


def _applies(row: str, override: Override) -> sql.Composable:
    conditions = [
        _like(sql.Identifier(row, column), glob)
        for column, glob in (("chain", override.chain), ("entity", override.entity))
        if glob is not None
    ]
    return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")


def _like(column: sql.Identifier, glob: str) -> sql.Composed:
    if not is_glob(glob):
        return sql.SQL("{} = {}").format(column, sql.Literal(glob))
    escaped = "".join({"*": "%", "?": "_"}.get(c) or (f"!{c}" if c in "!%_" else c) for c in glob)
    return sql.SQL("{} LIKE {} ESCAPE '!'").format(column, sql.Literal(escaped))


def _same(value: Any) -> Any:
    return value


def _tier(name: str) -> Callable[[SeverityTiers], Any]:
    return lambda tiers: getattr(tiers, name)


# What a trigger decides by: the setting each part comes from, how, and its SQL type.
_RULE_PARTS: Mapping[str, tuple[str, Callable[[Any], Any], str]] = {
    "percent": ("percent", _same, "numeric"),
    "min_change": ("min_change", _same, "numeric"),
    "emit_first": ("emit_first", _same, "boolean"),
    "warning": ("severity", _tier("warning"), "numeric"),
    "critical": ("severity", _tier("critical"), "numeric"),
}
