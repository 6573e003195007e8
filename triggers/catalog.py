"""The live database as the validator and the installer see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from core.errors import InstallError
from core.services.postgres import queries
from triggers.columns import ColumnTypes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from psycopg import Connection

_QUERIES = queries("triggers.sql", "catalog.sql")


@dataclass(frozen=True)
class Server:
    """The server, the role, and whose the schema rtp and the installation in it are; None where there is none."""

    version_number: int
    version: str
    role: str
    database: str
    is_superuser: bool
    schema_owner: str | None
    owns_schema: bool | None
    installer: str | None
    is_installer: bool | None


@dataclass(frozen=True)
class TableFacts:
    """A table that a watch names; its `hidden` partitions can be read through it alone."""

    oid: int
    relkind: str
    column_types: ColumnTypes = field(default_factory=ColumnTypes)
    virtual_columns: frozenset[str] = frozenset()
    unique_keys: frozenset[frozenset[str]] = frozenset()
    immediate_keys: frozenset[frozenset[str]] = frozenset()
    partitions: tuple[tuple[str, ...], ...] = ()
    hidden: frozenset[tuple[str, ...]] = frozenset()

    def may_exchange(self, key: frozenset[str]) -> bool:
        """Whether two rows may exchange these columns' values within one statement: nothing checks each row at once."""
        return not any(unique <= key for unique in self.immediate_keys)


@dataclass(frozen=True)
class Stronger:
    """What the role may do, and the owner of a table may not."""

    owner: str
    powers: Sequence[str]


@dataclass(frozen=True)
class InstalledTrigger:
    """One trigger of rtp's on a user's table."""

    schema: str
    table: str
    name: str
    function: str
    is_enabled: bool


@dataclass(frozen=True)
class InstallationRow:
    """The row of rtp.installation."""

    schema_version: int
    functions_md5: str


@dataclass(frozen=True)
class WatchRow:
    """A row of rtp.watch. `table_oid` and `column_types` are None where it is not known what it was installed on.

    `is_altered`: its function is not the one that was installed. `was_blind`: it has missed writes, or may have.
    """

    id: int
    name: str
    settings: Mapping[str, Any]
    function_md5: str
    rules: int
    table_name: str
    is_sampled: bool
    is_removed: bool
    table_oid: int | None
    column_types: Mapping[str, str] | None
    is_altered: bool
    was_blind: bool


def read_server(connection: Connection) -> Server:
    """The server and the role."""
    row = connection.execute(_QUERIES["server"]).fetchone()
    assert row is not None
    return Server(*row)


def is_amid_a_piece(connection: Connection, watch_id: int) -> bool:
    """Whether the judge is within a stretch of a watch's samples that it judges in the order of their names."""
    return connection.execute(_QUERIES["is_amid_a_piece"], {"watch": watch_id}).fetchone() == (True,)


def read_rights(
    connection: Connection, role: str, watched: Mapping[int, str], read: Mapping[int, str]
) -> list[tuple[Any, ...]]:
    """What a role needs to watch some tables and to read others, by their oids and names, and whether it has it."""
    values = {
        "role": role,
        "oids": [*watched, *read],
        "names": [*watched.values(), *read.values()],
        "have_triggers": [True] * len(watched) + [False] * len(read),
    }
    return connection.execute(_QUERIES["rights"], values).fetchall()


def read_stronger(connection: Connection, oid: int) -> Stronger | None:
    """In what the role is stronger than a table's owner; None where it is not."""
    row = connection.execute(_QUERIES["stronger"], {"oid": oid}).fetchone()
    return Stronger(*row) if row else None


def read_size(connection: Connection, table: str) -> tuple[int | None, int | None]:
    """About how many rows a table has, by its schema and name, and its bytes; None where nobody knows."""
    row = connection.execute(_QUERIES["size"], {"table": table}).fetchone()
    return (row[0], row[1]) if row else (None, None)


def has_role(connection: Connection, name: str) -> bool:
    """Whether there is such a role."""
    return connection.execute(_QUERIES["role"], {"role": name}).fetchone() == (True,)


def read_own_objects(connection: Connection) -> list[str]:
    """The commands that remove what rtp has in a schema of somebody else's."""
    return [row[0] for row in connection.execute(_QUERIES["own_objects"])]


def read_table(connection: Connection, parts: tuple[str, ...]) -> TableFacts | None:
    """As `read_tables`, of one; None where there is none."""
    return read_tables(connection, [parts]).get(parts)


def read_tables(connection: Connection, places: Collection[tuple[str, ...]]) -> Mapping[tuple[str, ...], TableFacts]:
    """Those tables that are there, by schema and name. In an `own_transaction`: types have their schema's name."""
    found = _find_tables(connection, places)
    # Of all tables at once: to plan such a query takes longer than to run it.
    oids = {"oids": [oid for oid, _ in found.values()]}
    columns = connection.execute(_QUERIES["columns"], oids).fetchall()
    keys = connection.execute(_QUERIES["unique_keys"], oids).fetchall()
    return {
        parts: _facts(
            oid,
            relkind,
            [column[1:] for column in columns if column[0] == oid],
            [key[1:] for key in keys if key[0] == oid],
            connection.execute(_QUERIES["partitions"], {"oid": oid}).fetchall() if relkind == "p" else [],
        )
        for parts, (oid, relkind) in found.items()
    }


def read_oids(connection: Connection, places: Collection[tuple[str, ...]]) -> Mapping[tuple[str, ...], int]:
    """The oids of those tables that are there, by schema and name."""
    return {parts: oid for parts, (oid, _) in _find_tables(connection, places).items()}


def _find_tables(
    connection: Connection, places: Collection[tuple[str, ...]]
) -> Mapping[tuple[str, ...], tuple[int, str]]:
    asked = list(dict.fromkeys(places))
    values = {"schemas": [schema for schema, _ in asked], "tables": [name for _, name in asked]}
    rows = connection.execute(_QUERIES["tables"], values) if asked else ()
    return {asked[place - 1]: (oid, relkind) for place, oid, relkind in rows}


def _facts(
    oid: int,
    relkind: str,
    columns: Sequence[tuple[Any, ...]],
    keys: Sequence[tuple[Any, ...]],
    partitions: Sequence[tuple[Any, ...]],
) -> TableFacts:
    return TableFacts(
        oid=oid,
        relkind=relkind,
        column_types=ColumnTypes(
            {name: below for name, _, below, _, _ in columns},
            {name: declared for name, declared, _, is_own, _ in columns if is_own},
        ),
        virtual_columns=frozenset(name for name, *_, is_virtual in columns if is_virtual),
        unique_keys=frozenset(frozenset(key) for key, _ in keys),
        immediate_keys=frozenset(frozenset(key) for key, is_immediate in keys if is_immediate),
        partitions=tuple((schema, name) for schema, name, _ in partitions),
        hidden=frozenset((schema, name) for schema, name, is_readable in partitions if not is_readable),
    )


def has_time_zone(connection: Connection, name: str) -> bool:
    """Whether the server knows a time zone by this name."""
    return connection.execute(_QUERIES["has_time_zone"], {"name": name}).fetchone() == (True,)


def read_installation(connection: Connection) -> InstallationRow | None:
    """What is installed; None where nothing is. Raises InstallError where this role may not look."""
    server = read_server(connection)
    if server.installer is None:
        return None
    try:
        with connection.transaction():
            row = connection.execute(_QUERIES["installation"]).fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise InstallError(
            f"role {server.role} may not read the schema rtp: {error.diag.message_primary}",
            f"Connect as the role that installed it: {server.installer}",
        ) from error
    return InstallationRow(*row) if row else None


def read_triggers(connection: Connection) -> list[InstalledTrigger]:
    """All of rtp's triggers in the database."""
    return [InstalledTrigger(*row) for row in connection.execute(_QUERIES["installed_triggers"])]


def read_strangers(connection: Connection, own_tables: Sequence[str]) -> list[str]:
    """Tables and views in the schema rtp that are not rtp's."""
    return [row[0] for row in connection.execute(_QUERIES["strangers"], {"own": own_tables})]


def read_watches(connection: Connection) -> list[WatchRow]:
    """All watches that rtp's schema knows; needs that schema."""
    return [WatchRow(*row) for row in connection.execute(_QUERIES["installed_watches"])]
