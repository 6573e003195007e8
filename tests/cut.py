"""Cutting connections, as a failing network or an administrator does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


def cut(connection: psycopg.Connection, *, named: str = "%") -> None:
    """Cut the other connections to the database that are named so, and wait until the server is rid of them."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE %s",
        [named],
    )
