"""Connections that die without a word: whoever waits for an answer on one gives up in time, and starts anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from core.cache.readers import cache_options
from core.errors import ServiceUnavailable, SinkUnavailable
from core.judging.loop import JudgeLoop
from core.leading.election import Election
from core.leading.epoch import UNFENCED, Epochs
from core.log.reader import LogReader
from core.problem import Problem
from core.processor.build import build_pipeline
from core.processor.wakeup import WakeUp
from core.services.postgres import DatabaseServer, connect
from core.services.queue_client import queue_client
from core.settings.models import Settings, postgres_dsn
from core.sinks.sqs.messages import batch_entry
from core.sinks.sqs.sink import SqsSink
from loadtests.shared.proxy import TcpProxy
from rtp_client.answer_timeout import AnswerTimeout
from rtp_client.cache.loading import Owner
from rtp_client.cache.source import AsyncDatabaseSource, DatabaseSource
from tests.conftest import SqsQueue
from tests.eventually import eventually
from tests.recoveries import quiet_recovery
from tests.samples import make_event


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
    with closing(connect(dsn, role="test", answer_timeout=AnswerTimeout(0.3))) as connection:
        proxy.half_open()
        with pytest.raises(psycopg.OperationalError, match=r"no answer within 0\.3 s"):
            connection.execute("SELECT 1")
        assert connection.closed


def test_a_statement_that_is_answered_in_time_may_take_its_time(dsn: str) -> None:
    with closing(connect(dsn, role="test", answer_timeout=AnswerTimeout(30))) as connection:
        assert connection.execute("SELECT true FROM pg_sleep(0.4)").fetchone() == (True,)


def test_the_bound_is_for_each_statement_and_not_for_all(dsn: str) -> None:
    with closing(connect(dsn, role="test", answer_timeout=AnswerTimeout(1))) as connection:
        started = time.monotonic()
        while time.monotonic() - started < 1.5:
            connection.execute("SELECT 1 FROM pg_sleep(0.1)")


def test_a_reader_notices_and_reads_on(dsn: str, proxy: TcpProxy) -> None:
    with closing(LogReader(DatabaseServer(dsn, answer_seconds=0.3), "redis")) as reader:
        reader.open()
        proxy.half_open()
        with pytest.raises(ServiceUnavailable, match="no answer within"):
            reader.read(10)
        reader.open()
        assert reader.read(10).rows == []


def test_a_first_silence_is_given_up_long_before_the_settings_bound(dsn: str, proxy: TcpProxy) -> None:
    server = DatabaseServer(dsn, answer_seconds=60)
    with closing(server.connect("test")) as connection:
        proxy.half_open()
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            connection.execute("SELECT 1")
    assert time.monotonic() - started < 30


def test_what_is_slow_is_answered_at_the_second_try(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtp_client.answer_timeout.FIRST_SECONDS", 0.2)
    server = DatabaseServer(dsn, answer_seconds=60)
    with closing(server.connect("test")) as connection, pytest.raises(psycopg.OperationalError, match="no answer"):
        connection.execute("SELECT pg_sleep(1)")
    with closing(server.connect("test")) as connection:
        assert connection.execute("SELECT true FROM pg_sleep(1)").fetchone() == (True,)


def test_each_role_has_an_answer_timeout_of_its_own(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtp_client.answer_timeout.FIRST_SECONDS", 0.2)
    server = DatabaseServer(dsn, answer_seconds=60)
    for role in ("one", "another"):
        with closing(server.connect(role)) as connection, pytest.raises(psycopg.OperationalError, match="no answer"):
            connection.execute("SELECT pg_sleep(1)")


def test_a_leader_ends_the_session_that_it_has_lost_rather_than_wait_for_its_own_lease(installed: Settings) -> None:
    own = postgres_dsn(installed)
    port = urlsplit(own).port or 0
    with closing(TcpProxy(port)) as hole:
        server = DatabaseServer(own.replace(f":{port}/", f":{hole.port}/"), answer_seconds=60)
        election = Election(server, Epochs(), lease_seconds=30, recovery=quiet_recovery(), on_problem=lambda _: None)
        election.start()
        try:
            eventually(lambda: election.status().role == "leader")
            first = election.status().epoch
            hole.swallow()
            eventually(lambda: election.status().epoch > first, within_seconds=25)
            assert election.status().role == "leader"
        finally:
            election.stop()


@pytest.fixture
def hasty(installed: Settings) -> Settings:
    """Settings that allow PostgreSQL half a second for an answer."""
    postgres = installed.postgres.model_copy(update={"answer_timeout_seconds": 0.5})
    return installed.model_copy(update={"postgres": postgres})


def test_the_caches_source_gives_up_and_asks_anew(hasty: Settings, dsn: str, proxy: TcpProxy) -> None:
    owner = Owner("tvl", "ethereum", "lido")
    with closing(DatabaseSource(dsn, cache_options(hasty))) as source:
        source.rows([owner])
        proxy.half_open()
        with pytest.raises(ServiceUnavailable, match="no answer within"):
            source.rows([owner])
        assert source.rows([owner]) == {}


def test_its_asynchronous_twin_does_so_too(hasty: Settings, dsn: str, proxy: TcpProxy) -> None:
    owner = Owner("tvl", "ethereum", "lido")

    async def ask() -> None:
        source = AsyncDatabaseSource(dsn, cache_options(hasty))
        await source.rows([owner])
        proxy.half_open()
        with pytest.raises(ServiceUnavailable, match="no answer within"):
            await source.rows([owner])
        assert await source.rows([owner]) == {}
        await source.close()

    asyncio.run(ask())


def test_rtp_works_on_and_ends_in_time_after_all_its_connections_have_died_without_a_word(
    settings: Settings, dsn: str, proxy: TcpProxy, writer: psycopg.Connection
) -> None:
    postgres = settings.postgres.model_copy(update={"dsn": dsn})
    pipeline = build_pipeline(settings.model_copy(update={"postgres": postgres}), on_problem=lambda _: None)
    pipeline.start()
    try:
        eventually(lambda: all(one.metrics.idle_since for one in pipeline.deliveries))
        proxy.half_open()
        for value in (1, 2):
            writer.execute(
                "INSERT INTO tvl VALUES ('ethereum', 'lido', %s, 'llama')"
                " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
                [value],
            )
        eventually(lambda: [one.metrics.delivered for one in pipeline.deliveries] == [1, 1], within_seconds=40)
    finally:
        is_whole = pipeline.stop()
    assert is_whole


def test_what_the_judge_is_refused_after_an_outage_is_told(installed: Settings, writer: psycopg.Connection) -> None:
    writer.execute("ALTER TABLE rtp.sample RENAME TO sample_elsewhere")
    server, epochs, recovery = DatabaseServer(postgres_dsn(installed)), Epochs(UNFENCED), quiet_recovery()
    recovery.failed(ServiceUnavailable("PostgreSQL", "host", "connection refused"))
    problems: list[Problem] = []
    judge = JudgeLoop(
        server,
        WakeUp(server, installed.run, epochs, recovery=quiet_recovery()),
        epochs,
        chores=lambda _: None,
        recovery=recovery,
        on_problem=problems.append,
    )
    judge.start()
    try:
        eventually(lambda: any("rtp.sample" in str(problem) for problem in problems))
    finally:
        judge.request_stop()
        judge.join()


def test_an_alert_whose_answer_never_comes_is_sent_again_on_a_new_connection(
    settings: Settings, sqs_queue: SqsQueue
) -> None:
    port = urlsplit(sqs_queue.endpoint_url).port or 0
    with closing(TcpProxy(port)) as way:
        sqs = settings.sqs.model_copy(update={"endpoint_url": f"http://127.0.0.1:{way.port}", "timeout_seconds": 30})
        quick = queue_client(sqs, wait_seconds=0.3)
        patient = queue_client(sqs)
        with closing(SqsSink(sqs, patient, quick_client=quick)) as sink:
            sink.open()
            sink.deliver([make_event(1)])
            patient.send_message_batch(QueueUrl=sqs_queue.url, Entries=[batch_entry("0", make_event(1))])  # on another
            way.half_open()
            started = time.monotonic()
            with pytest.raises(SinkUnavailable, match="Read timeout"):
                sink.deliver([make_event(2)])
            assert not sink.deliver([make_event(2)]).undelivered
            assert time.monotonic() - started < 20


def test_after_a_silence_sqs_may_take_its_time(settings: Settings, sqs_queue: SqsQueue) -> None:
    with closing(TcpProxy(urlsplit(sqs_queue.endpoint_url).port or 0)) as way:
        by_proxy = settings.sqs.model_copy(update={"endpoint_url": f"http://127.0.0.1:{way.port}"})
        quick, patient = queue_client(by_proxy, wait_seconds=0.3), queue_client(settings.sqs)
        with closing(SqsSink(settings.sqs, patient, quick_client=quick)) as sink:
            sink.open()
            way.stall()  # for the quick client alone, and from now on
            with pytest.raises(SinkUnavailable, match="Read timeout"):
                sink.deliver([make_event(1)])
            assert not sink.deliver([make_event(1)]).undelivered
        way.heal()


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
    with closing(connect(dsn, role="test", answer_timeout=AnswerTimeout(0.3))) as waiting:
        proxy.stall()
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            waiting.execute("SELECT 1")
    proxy.heal()
    connect(dsn, role="test").close()
