"""Whether PostgreSQL's sessions can be used: what stands between rtp and the server is recognised by what it does.

A pooler of transactions gives each statement to any free server process. What rtp keeps in a session is then lost or
met by others: prepared statements, settings, locks, LISTEN. A server that follows another one, or whose sessions are
read-only, answers every question, and takes nothing.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from core.errors import UnfitServer
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

    from core.services.postgres import DatabaseServer

_QUERIES = queries("core.sql", "session.sql")
_HEARING_SECONDS = 2.0
_LOOKS = 3
_RDS_PROXY = re.compile(r"[^,]+\.proxy-[^.,]+\.[^.,]+\.rds\.amazonaws\.com(\.cn)?\.?", re.IGNORECASE)
DEAF = (
    "LISTEN hears nothing of what another session notifies: rtp polls instead of sleeping. Something between rtp and"
    " PostgreSQL keeps notifications back: connect to the server directly"
)
# pg_settings' word for where a value comes from, and what mends it.
_WHERE_SET = {
    "user": "ALTER ROLE {role} RESET default_transaction_read_only",
    "database": "ALTER DATABASE {database} RESET default_transaction_read_only",
    "database user": "ALTER ROLE {role} IN DATABASE {database} RESET default_transaction_read_only",
    "client": "take default_transaction_read_only out of the address's `options`, or of PGOPTIONS",
}


def check_server(server: DatabaseServer) -> None:
    """Raise UnfitServer where rtp cannot work with this server; no setting is left in a session that others share."""
    with server.translated(), server.connect_bare("check") as one, server.connect_bare("check") as other:
        unfitness = find_unfitness(one, other)
    if unfitness:
        raise UnfitServer("PostgreSQL", server.address, unfitness)


def find_unfitness(connection: Connection, other: Connection) -> str | None:
    """Why rtp cannot work with the server that these two connections lead to, and what to do; None where it can."""
    return _find_proxy(connection) or _find_pooling(connection, other) or find_hindrance_to_write(connection)


def is_rds_proxy(host: str) -> bool:
    """Whether a host's name is one that AWS gives to RDS Proxy."""
    return bool(_RDS_PROXY.fullmatch(host))


def _find_proxy(connection: Connection) -> str | None:
    """RDS Proxy is a pooler that cannot be told by what it does: it pins a session that sets something, until later."""
    if not is_rds_proxy(connection.info.host):
        return None
    return (
        "this is an RDS Proxy, which pools transactions: it would hold a server process for each of rtp's sessions, and"
        " end those that are idle. Connect to the instance's own endpoint, or to the cluster's for writing"
    )


def _find_pooling(connection: Connection, other: Connection) -> str | None:
    """Two sessions that take turns: between its statements, each must still be the same, and nobody else's."""
    both = [(one, uuid4().hex) for one in (connection, other)]
    before = [_ask(one, "mark", mark) for one, mark in both]
    # Beside other clients a pooler may happen to give out the same processes once more.
    looks = ([_ask(one, "read_mark", mark) for one, mark in both] for _ in range(_LOOKS))
    if before[0][0] != before[1][0] and all(after == before for after in looks):
        return None
    # Which processes they met is another word each time, and would make each try news.
    return (
        "two statements of one session met two server processes, or two sessions met one: a pooler gives out a server"
        " process for one transaction at a time. Connect to the server directly, or have the pooler pool sessions"
        " (PgBouncer: pool_mode = session)"
    )


def _ask(connection: Connection, query: str, mark: str) -> tuple[int, str]:
    row = connection.execute(_QUERIES[query], {"mark": mark}, prepare=False).fetchone()
    assert row is not None
    return row[0], row[1]


def find_hindrance_to_write(connection: Connection) -> str | None:
    """Why nothing can be written here, and what to do; None where it can."""
    row = connection.execute(_QUERIES["hindrance_to_write"], prepare=False).fetchone()
    assert row is not None
    follows, is_read_only, role, database, source = row
    if follows:
        return (
            "it follows another server and takes no writes (pg_is_in_recovery). Name the primary, or the cluster's"
            " endpoint for writing; of several hosts in the address, target_session_attrs=read-write finds it"
        )
    if is_read_only:
        remedy = _WHERE_SET.get(source, "set default_transaction_read_only = off").format(role=role, database=database)
        return f"transactions of role {role} are read-only (default_transaction_read_only, set by: {source}). {remedy}"
    return None


def hears(listener: Connection, other: Connection) -> bool:
    """Whether a notification that one session sends reaches the other."""
    mark = uuid4().hex
    listener.execute("LISTEN rtp_probe")
    try:
        other.execute(_QUERIES["notify"], {"mark": mark}, prepare=False)
        until = time.monotonic() + _HEARING_SECONDS
        while (left := until - time.monotonic()) > 0:
            if any(heard.payload == mark for heard in listener.notifies(timeout=left, stop_after=1)):
                return True
        return False
    finally:
        listener.execute("UNLISTEN rtp_probe")
