"""What rtp's role needs in the database, as grants: for the role itself to check, and for whoever may grant them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from triggers.catalog import read_oids, read_rights, read_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from psycopg import Connection

    from core.settings.models import Settings

_MOST_NAMED = 3


class Right(NamedTuple):
    """A privilege on a database, schema, language or table; `watched` is the table that it is needed for, if any."""

    privilege: str
    kind: str
    schema: str | None
    name: str
    owner: str
    watched: str | None
    is_granted: bool

    @property
    def shown(self) -> str:
        """On what, for people."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def object(self) -> sql.Composable:
        """On what, as SQL."""
        return sql.Identifier(self.schema, self.name) if self.schema else sql.Identifier(self.name)


@dataclass(frozen=True)
class Grant:
    """One statement that grants some rights, and whose they are to grant, besides a superuser's."""

    owner: str
    statement: str
    is_granted: bool


def rights_of(connection: Connection, settings: Settings, role: str) -> list[Right]:
    """All that the role needs to install, run and remove these watches, on every partition."""
    watches = settings.watches.values()
    watched = _names(connection, (watch.table_parts for watch in watches))
    read = _names(connection, (one.table_parts for watch in watches for one in watch.alias_tables.values()))
    return [Right(*row) for row in read_rights(connection, role, watched, read)]


def _names(connection: Connection, tables: Iterable[tuple[str, ...]]) -> dict[int, str]:
    """Those of them that are there, by their oids; rtp's own need no grant."""
    found = read_oids(connection, [parts for parts in tables if parts[0] != "rtp"])
    return {oid: ".".join(parts) for parts, oid in found.items()}


def grants_for(connection: Connection, settings: Settings, role: str) -> list[Grant]:
    """All that the role needs, whether it has it or not."""
    return grants(rights_of(connection, settings, role), role)


def lacking_grants(connection: Connection, settings: Settings) -> list[Grant]:
    """What this role lacks."""
    server = read_server(connection)
    if server.is_installer is False:
        return []
    return [grant for grant in grants_for(connection, settings, server.role) if not grant.is_granted]


def grants(rights: Iterable[Right], role: str) -> list[Grant]:
    """The statements that grant these rights: as few as there can be."""
    by_object: dict[tuple[str, str, str, bool], list[Right]] = {}
    for right in rights:
        by_object.setdefault((right.kind, right.schema or "", right.name, right.is_granted), []).append(right)
    merged = [(_privileges(found), found[0]) for found in by_object.values()]
    return list(_statements(merged, role))


def _privileges(rights: Sequence[Right]) -> str:
    return ", ".join(right.privilege for right in rights)


def _statements(merged: Iterable[tuple[str, Right]], role: str) -> Iterator[Grant]:
    alike: dict[tuple[str, str, str, bool], list[Right]] = {}
    for privileges, right in merged:
        alike.setdefault((right.kind, privileges, right.owner, right.is_granted), []).append(right)
    for (kind, privileges, owner, is_granted), rights in alike.items():
        statement = sql.SQL("GRANT {} ON {}{} TO {}").format(
            sql.SQL(privileges),
            sql.SQL("" if kind == "TABLE" else f"{kind} "),
            sql.SQL(", ").join(right.object for right in rights),
            sql.Identifier(role),
        )
        yield Grant(owner, statement.as_string(None), is_granted)


def script(found: Iterable[Grant]) -> list[str]:
    """Grants as lines of SQL, by who may run them: what is granted already stands there as a comment."""
    lines = []
    for owner, alike in groupby(sorted(found, key=lambda grant: grant.owner), key=lambda grant: grant.owner):
        lines.append(f"-- as {' '.join(owner.split())}, or as a superuser:")
        lines += [f"{'-- has: ' if grant.is_granted else ''}{grant.statement};" for grant in alike]
    return lines


def lacking(
    rights: Iterable[Right], role: str, places: Mapping[str, str]
) -> Iterator[tuple[str, str, str, str | None]]:
    """What is not granted, a line for each privilege and watched table: where in the settings, what, and the grant.

    And the watched table that it is needed for, if any.
    """
    missing = [right for right in rights if not right.is_granted]

    def alike(right: Right) -> tuple[str, str, str]:
        return right.watched or "", right.kind, right.privilege

    for (watched, kind, privilege), found in groupby(sorted(missing, key=alike), key=alike):
        each = list(found)
        statements = "; ".join(grant.statement for grant in grants(each, role))
        problem = _problem(role, kind, privilege, each)
        yield places.get(watched, "postgres"), problem, f"As its owner: {statements}", watched or None


def _problem(role: str, kind: str, privilege: str, rights: Sequence[Right]) -> str:
    more = f" and {len(rights) - _MOST_NAMED:,} more" if len(rights) > _MOST_NAMED else ""
    names = ", ".join(right.shown for right in rights[:_MOST_NAMED]) + more
    match kind:
        case "DATABASE":
            return f"role {role} may not create the schema rtp in database {names}"
        case "TABLE":
            return f"role {role} lacks {privilege} on {names}"
        case _:
            verb = "create anything in" if privilege == "CREATE" else "use"
            return f"role {role} may not {verb} the {kind.lower()} {names}"
