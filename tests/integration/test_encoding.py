"""A database of SQL_ASCII checks no text: rtp takes it for UTF-8, as everybody who writes to it does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from core.demo.tables import create_tables
from core.errors import StatementRefused
from core.log.reader import LogReader
from core.services.postgres import DatabaseServer, connect
from core.sinks.settings import load_settings
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from core.stack import EmbeddedStack


@pytest.fixture
def unchecked(stack: EmbeddedStack) -> Iterator[str]:
    """The DSN of a database of SQL_ASCII with rtp's triggers."""
    name = sql.Identifier(f"test_{uuid.uuid4().hex[:12]}")
    admin = stack.addresses.postgres_dsn
    dsn = f"{admin.rpartition('/')[0]}/{name.as_string(None)[1:-1]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        create = "CREATE DATABASE {} TEMPLATE template0 STRATEGY file_copy ENCODING 'SQL_ASCII' LOCALE 'C'"
        connection.execute(sql.SQL(create).format(name))
    with closing(connect(dsn, role="test")) as writer:
        create_tables(writer)
        apply(writer, plan_installation(writer, load_settings(None, environ={}, options={"postgres.dsn": dsn})))
    yield dsn
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def change(dsn: str, protocol: bytes) -> None:
    with closing(psycopg.connect(dsn, autocommit=True, client_encoding="SQL_ASCII")) as writer:
        name = "convert_from(%b, 'SQL_ASCII')"
        writer.execute(f"INSERT INTO tvl (chain, protocol, tvl_usd, source) VALUES ('a', {name}, 1, '')", [protocol])
        writer.execute("UPDATE tvl SET tvl_usd = 2")


def test_names_are_read_as_utf_8(unchecked: str) -> None:
    change(unchecked, "ünï/cödé".encode())
    with closing(LogReader(DatabaseServer(unchecked), "test")) as reader:
        assert [row.entity for row in reader.read(10).rows] == ["ünï/cödé"]


def test_what_is_not_utf_8_is_told_in_one_line(unchecked: str) -> None:
    change(unchecked, b"\xff")
    with closing(LogReader(DatabaseServer(unchecked), "test")) as reader, pytest.raises(StatementRefused) as refused:
        reader.read(10)
    assert str(refused.value).endswith('refuses: invalid byte sequence for encoding "UTF8": 0xff')
