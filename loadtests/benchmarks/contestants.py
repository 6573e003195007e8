"""The ways to watch a table whose cost overhead.py compares, each on a table of its own, in one database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.services.postgres import queries
from core.settings.models import Settings
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from psycopg import Connection

ENTITIES = 8000
BARE = "bare table"
_PEERS = queries("loadtests.benchmarks", "contestants.sql")
_COLUMNS = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at"}


def settings_of(table: str) -> Settings:
    """One watch of tvl, with rtp's defaults."""
    watch: Mapping[str, Any] = {"kind": "tvl", "table": table, "columns": _COLUMNS}
    return Settings.model_validate({"watches": {"tvl": watch}})


SETTINGS = settings_of("tvl")


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


def contestants(*, with_pgq: bool) -> Mapping[str, tuple[str, Callable[[Connection], object]]]:
    """Each contestant's table, and how it comes to watch it. The bare table is the first."""

    def peer(name: str) -> tuple[str, Callable[[Connection], object]]:
        return f"watched_by_{name}", lambda connection: connection.execute(_PEERS[name])

    rtp = (
        "watched_by_rtp",
        lambda connection: apply(connection, plan_installation(connection, settings_of("watched_by_rtp"))),
    )
    if with_pgq:
        return {BARE: ("bare", _do_nothing), "rtp": rtp, "PgQ": peer("pgq")}
    return {BARE: ("bare", _do_nothing), "rtp": rtp, "notify": peer("notify"), "outbox": peer("outbox")}


def has_pgq(postgres_bin: Path) -> bool:
    """Whether PgQ is installed beside a server's programs, as distributions lay them out: its own library tells."""
    return (postgres_bin.parent / "lib" / "pgq_triggers.so").is_file()


def _do_nothing(connection: Connection) -> None:
    pass
