"""Whether the database has the log that this rtp needs, and whether a cursor is of that log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from core.errors import NotInstalled
from core.services.postgres import queries
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from psycopg import Connection

    from core.log.logs import Log

_QUERIES = queries("core.sql", "log.sql")
SCHEMA_VERSION = 10


def read_installation(connection: Connection) -> str:
    """The id of the log in this database. Raises NotInstalled where there is none, or one of another version."""
    try:
        row = connection.execute(_QUERIES["read_installation"]).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NotInstalled("the database has no rtp schema", "Run `rtp install-triggers` first") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotInstalled(
            f"rtp's role may not read rtp's schema: {one_line(error)}", "`rtp grants` prints the rights that it needs"
        ) from error
    log_id, version, installer = row or ("", None, None)
    if version != SCHEMA_VERSION:
        raise NotInstalled(
            f"the database has rtp schema version {version or 'none'}, this rtp needs {SCHEMA_VERSION}",
            _remedy(version or 0, installer),
        )
    return str(log_id)


def _remedy(version: int, installer: str | None) -> str:
    if version < SCHEMA_VERSION:
        return "Run `rtp install-triggers` of this version"
    newer = f"rtp {installer}" if installer else "A newer rtp"
    return f"{newer} has migrated it: start that one, which delivers what waits in the log"


def check_version(connection: Connection, version: int | None) -> None:
    """Raise NotInstalled, as `read_installation` does, where the schema's version that was read is another one."""
    if version != SCHEMA_VERSION:
        read_installation(connection)


def find_mismatch(connection: Connection, log: Log, reader: str) -> str | None:
    """Why a reader's cursor, or the log itself, cannot be this server's; None where it can."""
    row = connection.execute(log.on(_QUERIES["find_mismatch"]), {"reader": reader}).fetchone()
    return row[0] if row else None
