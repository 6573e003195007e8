"""The ways to watch a table whose cost overhead.py compares, each on tables of its own, in one database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.services.postgres import queries
from core.settings.models import Settings
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from psycopg import Connection

ENTITIES = 8000
BARE = "bare table"
_PEERS = queries("loadtests.benchmarks", "contestants.sql")
_COLUMNS = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at"}
_WATCH: Mapping[str, Any] = {"kind": "tvl", "columns": _COLUMNS}
SETTINGS = Settings.model_validate({"watches": {"tvl": {**_WATCH, "table": "tvl"}}})
_BOTH_TABLES = {
    "updated": {**_WATCH, "table": "updated_rtp"},
    "appended": {**_WATCH, "table": "appended_rtp", "shape": "history"},
}


def fresh_table(connection: Connection, table: str = "tvl") -> None:
    """The table to write to, as if nothing had ever been written."""
    name = table.encode()
    connection.execute(b"DROP TABLE IF EXISTS " + name)
    connection.execute(
        b"CREATE TABLE " + name + b" (chain text, protocol text, tvl_usd numeric, source text, updated_at timestamptz,"
        b" PRIMARY KEY (chain, protocol))"
    )
    connection.execute(
        b"INSERT INTO " + name + b" SELECT 'b', 'p' || g, 1000, 'x', now() FROM generate_series(0, %s) AS g",
        [ENTITIES - 1],
    )
    connection.execute(b"VACUUM ANALYZE " + name)


def fresh_history(connection: Connection, table: str) -> None:
    """A table that only grows, with the key that such tables usually have."""
    connection.execute(
        f"CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chain text, protocol text,"
        " tvl_usd numeric, source text, updated_at timestamptz)".encode()
    )


def contestants(*, with_pgq: bool) -> Mapping[str, str]:
    """How each of them is called in its tables' names. The bare table is the first."""
    return {BARE: "bare", "rtp": "rtp"} | ({"PgQ": "pgq"} if with_pgq else {"notify": "notify", "outbox": "outbox"})


def install(connection: Connection, contestant: str) -> None:
    """Make the contestant's tables, `updated_` and `appended_`, and have it watch them."""
    fresh_table(connection, f"updated_{contestant}")
    fresh_history(connection, f"appended_{contestant}")
    if contestant == "rtp":
        apply(connection, plan_installation(connection, Settings.model_validate({"watches": _BOTH_TABLES})))
    elif contestant in _PEERS:
        connection.execute(_PEERS[contestant])


def has_pgq(postgres_bin: Path) -> bool:
    """Whether PgQ is installed beside a server's programs, as distributions lay them out: its own library tells."""
    return (postgres_bin.parent / "lib" / "pgq_triggers.so").is_file()
