"""A connection for the commands that look at the database or change it."""

from __future__ import annotations

import contextlib
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from core.services.postgres import connect
from core.settings.models import postgres_dsn
from rtp_client.postgres import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.settings.models import Settings


def hang_up(connection: psycopg.Connection) -> None:
    """End the connection from another thread. A thread that waits for an answer there gets an error at once."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


@contextmanager
def connection_to(settings: Settings) -> Iterator[psycopg.Connection]:
    """The settings' database, for work in an `own_transaction`: nothing is left in a session that a pooler may share.

    Raises ServiceUnavailable where it does not answer, or stops answering.
    """
    dsn, timeout_seconds = postgres_dsn(settings), settings.postgres.connect_timeout_seconds
    with connect(dsn, role="cli", timeout_seconds=timeout_seconds, session=None) as connection:
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise unavailable(dsn, error) from error
