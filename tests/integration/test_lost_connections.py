"""Connections that die without a word: whoever waits for an answer on one gives up in time, and starts anew."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from core.database import Server, connect
from core.errors import ServiceUnavailable
from core.processor.log import LogReader
from core.settings.models import Settings, postgres_dsn
from loadtests.faults.proxy import TcpProxy


@pytest.fixture
def proxy(installed: Settings) -> Iterator[TcpProxy]:
    with closing(TcpProxy(urlsplit(postgres_dsn(installed)).port or 0)) as running:
        yield running


@pytest.fixture
def dsn(installed: Settings, proxy: TcpProxy) -> str:
    """The installed database, by way of the proxy."""
    own = postgres_dsn(installed)
    return own.replace(f":{urlsplit(own).port}/", f":{proxy.port}/")


def test_a_half_open_connection_is_given_up(dsn: str, proxy: TcpProxy) -> None:
    with closing(connect(dsn, role="test", answer_seconds=0.3)) as connection:
        proxy.half_open()
        with pytest.raises(psycopg.OperationalError, match=r"no answer within 0\.3 s"):
            connection.execute("SELECT 1")
        assert connection.closed


def test_a_statement_that_is_answered_in_time_may_take_its_time(dsn: str) -> None:
    with closing(connect(dsn, role="test", answer_seconds=30)) as connection:
        assert connection.execute("SELECT true FROM pg_sleep(0.4)").fetchone() == (True,)


def test_the_bound_is_for_each_statement_and_not_for_all(dsn: str) -> None:
    with closing(connect(dsn, role="test", answer_seconds=1)) as connection:
        started = time.monotonic()
        while time.monotonic() - started < 1.5:
            connection.execute("SELECT 1 FROM pg_sleep(0.1)")


def test_a_reader_notices_and_reads_on(dsn: str, proxy: TcpProxy) -> None:
    with closing(LogReader(Server(dsn, answer_seconds=0.3), "redis")) as reader:
        reader.open()
        proxy.half_open()
        with pytest.raises(ServiceUnavailable, match="no answer within"):
            reader.read(10)
        reader.open()
        assert reader.read(10).rows == []


def test_a_proxy_that_is_cut_refuses(dsn: str, proxy: TcpProxy) -> None:
    proxy.cut()
    with pytest.raises(ServiceUnavailable):
        connect(dsn, role="test")


def test_a_proxy_that_was_cut_lets_through_again(dsn: str, proxy: TcpProxy) -> None:
    proxy.cut()
    proxy.heal()
    connect(dsn, role="test").close()


def test_a_connection_that_is_reset_fails(dsn: str, proxy: TcpProxy) -> None:
    with closing(connect(dsn, role="test")) as connection:
        proxy.reset()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_black_hole_lets_go_of_what_it_has_swallowed(dsn: str, proxy: TcpProxy) -> None:
    with closing(connect(dsn, role="test", answer_seconds=0.3)) as waiting:
        proxy.stall()
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            waiting.execute("SELECT 1")
    proxy.heal()
    connect(dsn, role="test").close()
