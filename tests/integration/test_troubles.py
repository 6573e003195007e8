"""Whatever keeps rtp from its work for long is told within seconds, with its cause and what mends it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg import sql
from psycopg.conninfo import make_conninfo

from cli import foreground
from core.services.postgres import connect
from core.services.sessions import find_hindrance_to_write, find_unfitness
from core.settings.models import Settings, postgres_dsn
from rtp_client.keys import STREAM
from tests.command import Command, Done
from tests.judging import judge_waiting
from tests.monitored import Running, Start, eventually, monitored
from tests.pooler import DeafProxy, TransactionPooler, kept_in
from tests.rtp_process import environ_of
from tests.tvl_table import write
from tests.watching import TVL, install

PROMPT_SECONDS = 10
"""Nothing here waits for a timeout of minutes; a loaded machine may be slow."""


def at(settings: Settings, dsn: str) -> Settings:
    return settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": dsn})})


def through(settings: Settings, port: int) -> Settings:
    """The settings with another way to the same server."""
    own = postgres_dsn(settings)
    return at(settings, own.replace(f":{urlsplit(own).port}/", f":{port}/"))


def delivered(settings: Settings) -> int:
    with redis.Redis.from_url(settings.redis.url or "") as client:
        return int(client.xlen(STREAM))


def reason(running: Running, subject: str) -> dict[str, str]:
    found: list[dict[str, str]] = eventually(
        lambda: [r for r in running.ready()[1]["reasons"] if r["subject"] == subject]
    )
    return found[0]


class Told:
    """How long it took until a line was told, for the record."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def by(self, running: Running, part: str) -> str:
        text = running.told(part)
        seconds = time.monotonic() - self._began_at
        print(f"{seconds:.1f} s: {text}")  # noqa: T201
        assert seconds < PROMPT_SECONDS
        return text


# What PostgreSQL is


@pytest.fixture
def read_only_role(writer: psycopg.Connection, installed: Settings) -> Iterator[tuple[str, Settings]]:
    """A role that may do everything, in read-only transactions."""
    name = f"reader_{writer.info.dbname}"
    role = sql.Identifier(name)
    writer.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD 'x'").format(role))
    writer.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
    address = urlsplit(postgres_dsn(installed))
    yield name, at(installed, address._replace(netloc=f"{name}:x@{address.hostname}:{address.port}").geturl())
    eventually(lambda: not writer.execute("SELECT FROM pg_stat_activity WHERE usename = %s", [name]).rowcount)
    writer.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(role, role))


def test_a_read_only_role_is_told_and_rtp_leads_once_it_may_write(
    start: Start, settings: Settings, writer: psycopg.Connection, read_only_role: tuple[str, Settings]
) -> None:
    name, restricted = read_only_role
    write(writer, 100, 200, 400)
    told = Told()
    with monitored(settings.model_copy(update={"postgres": restricted.postgres})) as running:
        text = told.by(running, "read-only")
        assert f"transactions of role {name} are read-only (default_transaction_read_only, set by: user)" in text
        assert f"ALTER ROLE {name} RESET default_transaction_read_only" in text
        found = reason(running, "election")
        assert (found["reason"], found["detail"] in text, "T" in found["since"]) == ("starting", True, True)
        writer.execute(sql.SQL("ALTER ROLE {} RESET default_transaction_read_only").format(sql.Identifier(name)))
        eventually(lambda: delivered(settings) == 2)
        running.told("PostgreSQL: no longer refuses")


def test_validate_names_a_read_only_role(validate: Callable[..., Done], read_only_role: tuple[str, Settings]) -> None:
    name, restricted = read_only_role
    done = validate(dsn=postgres_dsn(restricted))
    assert (done.code, f"transactions of role {name} are read-only" in done.err) == (2, True)


@pytest.fixture
def pooler(installed: Settings) -> Iterator[TransactionPooler]:
    with closing(TransactionPooler(postgres_dsn(installed))) as made:
        yield made


def test_a_pooler_of_transactions_is_told_and_nothing_is_left_in_its_sessions(
    start: Start, settings: Settings, writer: psycopg.Connection, pooler: TransactionPooler
) -> None:
    write(writer, 100, 200)
    told = Told()
    running = start(through(settings, pooler.port))
    assert "Connect to the server directly, or have the pooler pool sessions" in told.by(running, "pooler")
    assert reason(running, "election")["reason"] == "starting"
    held = writer.execute("SELECT count(*) FROM pg_locks WHERE pid = ANY(%s)", [pooler.processes]).fetchone()
    assert held == (0,)
    assert kept_in(postgres_dsn(through(settings, pooler.port))) == []
    assert delivered(settings) == 0


def test_validate_names_a_pooler_of_transactions(
    validate: Callable[..., Done], installed: Settings, pooler: TransactionPooler
) -> None:
    done = validate(dsn=postgres_dsn(through(installed, pooler.port)))
    assert (done.code, "PgBouncer: pool_mode = session" in done.err) == (2, True)


@pytest.mark.parametrize(
    "host",
    [
        "defi.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com",
        "reader.endpoint.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com",
        "defi.proxy-abcdefghijkl.cn-north-1.rds.amazonaws.com.cn",
    ],
)
def test_validate_names_an_rds_proxy(validate: Callable[..., Done], installed: Settings, host: str) -> None:
    done = validate(dsn=at_host(installed, host))
    assert (done.code, "this is an RDS Proxy, which pools transactions" in done.err) == (2, True)
    assert "Connect to the instance's own endpoint, or to the cluster's for writing" in done.err


@pytest.mark.parametrize(
    "host",
    ["defi.abcdefghijkl.eu-west-1.rds.amazonaws.com", "defi.cluster-abcdefghijkl.eu-west-1.rds.amazonaws.com"],
)
def test_an_instance_and_a_cluster_of_rds_are_no_proxies(installed: Settings, host: str) -> None:
    dsn = at_host(installed, host)
    with closing(connect(dsn, role="one")) as one, closing(connect(dsn, role="other")) as other:
        assert find_unfitness(one, other) is None


def test_an_rds_proxy_is_told_and_nothing_is_delivered_through_it(
    start: Start, settings: Settings, installed: Settings, writer: psycopg.Connection
) -> None:
    write(writer, 100, 200)
    told = Told()
    dsn = at_host(installed, "defi.proxy-abcdefghijkl.eu-west-1.rds.amazonaws.com")
    postgres = settings.postgres.model_copy(update={"dsn": dsn})
    running = start(settings.model_copy(update={"postgres": postgres}))
    assert "Connect to the instance's own endpoint" in told.by(running, "RDS Proxy")
    assert delivered(settings) == 0


def at_host(settings: Settings, host: str) -> str:
    """The server's address, by another name for it."""
    return make_conninfo(postgres_dsn(settings), host=host, hostaddr="127.0.0.1")


def test_a_pooler_is_told_of_in_the_same_words_whichever_processes_it_gives_out(installed: Settings) -> None:
    told = set()
    for _ in range(2):
        with closing(TransactionPooler(postgres_dsn(installed))) as pooler:
            dsn = postgres_dsn(through(installed, pooler.port))
            with closing(connect(dsn, role="one")) as one, closing(connect(dsn, role="other")) as other:
                told.add(find_unfitness(one, other))
    (text,) = told
    assert text is not None


def test_the_database_whose_transactions_are_read_only_is_named(
    installed: Settings, writer: psycopg.Connection
) -> None:
    database = writer.info.dbname
    read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
    writer.execute(read_only.format(sql.Identifier(database)))
    with closing(connect(postgres_dsn(installed), role="one")) as connection:
        told = find_hindrance_to_write(connection)
    assert f"ALTER DATABASE {database} RESET default_transaction_read_only" in (told or "")


@pytest.fixture
def deaf(settings: Settings) -> Iterator[Settings]:
    """A way to the server on which notifications get lost."""
    with closing(DeafProxy(postgres_dsn(settings))) as proxy:
        yield through(settings, proxy.port)


def test_a_listen_that_hears_nothing_is_told_and_rtp_stays_awake_and_delivers(
    start: Start, deaf: Settings, settings: Settings, writer: psycopg.Connection
) -> None:
    told = Told()
    running = start(deaf)
    told.by(running, "LISTEN hears nothing")
    assert running.metric("rtp_trouble_failures", part="wakeup", service="PostgreSQL")
    write(writer, 100, 200)
    eventually(lambda: delivered(settings) == 1)
    eventually(lambda: running.pipeline.idle_seconds() > 1)
    assert not running.pipeline.is_asleep
    assert running.ready()[0] == 200


def test_validate_warns_of_a_listen_that_hears_nothing(validate: Callable[..., Done], deaf: Settings) -> None:
    done = validate(dsn=postgres_dsn(deaf))
    assert (done.code, "warning: LISTEN hears nothing" in done.err) == (0, True)


# Who holds what


@pytest.fixture
def stranger(weak_login: str) -> Iterator[psycopg.Connection]:
    """A session of a role that may log in, and nothing else."""
    with closing(psycopg.connect(weak_login, autocommit=True, application_name="elsewhere")) as connection:
        yield connection


def test_a_stranger_with_every_advisory_lock_of_rtp_cannot_keep_it_from_leading_and_is_named(
    start: Start, settings: Settings, writer: psycopg.Connection, stranger: psycopg.Connection
) -> None:
    stranger.execute("SELECT pg_advisory_lock(7500912, key) FROM generate_series(1, 2) AS key")
    told = Told()
    running = start(settings)
    write(writer, 100, 200)
    eventually(lambda: delivered(settings) == 1)
    text = told.by(running, "(7500912, 1)")
    assert f"is held by pid {stranger.info.backend_pid} (elsewhere, role {stranger.info.user})" in text
    stranger.execute("SELECT pg_advisory_unlock_all()")
    running.told("rtp can sleep again")


def test_a_stranger_who_keeps_triggers_from_notifying_wakes_a_sleeping_rtp(
    start: Start, settings: Settings, writer: psycopg.Connection, stranger: psycopg.Connection
) -> None:
    run = settings.run.model_copy(update={"fallback_poll_seconds": 300, "idle_before_sleep_ms": 0})
    running = start(settings.model_copy(update={"run": run}))
    write(writer, 100)
    eventually(lambda: running.pipeline.is_asleep)
    stranger.execute("SELECT pg_advisory_lock(7500912, 1)")
    write(writer, 200)
    began_at = time.monotonic()
    eventually(lambda: delivered(settings) == 1)
    assert time.monotonic() - began_at < PROMPT_SECONDS
    assert "(elsewhere, role " in running.told("(7500912, 1)")


@pytest.mark.parametrize("key", range(1, 6))
def test_no_advisory_lock_of_a_stranger_holds_up_judging(
    writer: psycopg.Connection, stranger: psycopg.Connection, key: int
) -> None:
    install(writer, tvl=TVL | {"cooldown": "1h"})
    stranger.execute("SELECT pg_advisory_lock(7500912, %s)", [key])
    write(writer, 100, 200)
    assert judge_waiting(writer) == 2


def test_an_installation_that_does_not_end_is_named_by_the_judge(
    start: Start, settings: Settings, writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    install(writer, tvl=TVL | {"cooldown": "1h"})
    running = start(settings)
    eventually(lambda: running.pipeline.idle_seconds() > 0)
    other = connect_again()
    with other.transaction():
        other.execute("LOCK TABLE rtp.installation IN EXCLUSIVE MODE")
        told = Told()
        write(writer, 100)
        text = told.by(running, "judging waits")
        assert f"rtp.installation, which installations lock, is locked by pid {other.info.backend_pid} (" in text
        assert reason(running, "judge")["reason"] == "failing"
    running.told("judging goes on")


def test_whoever_locks_the_row_of_the_leader_is_named(
    start: Start, settings: Settings, connect_again: Callable[[], psycopg.Connection]
) -> None:
    locker = connect_again()
    with locker.transaction():
        locker.execute("SELECT FROM rtp.leader FOR UPDATE")
        told = Told()
        running = start(settings)
        text = told.by(running, "lock timeout")
        assert f"held by pid {locker.info.backend_pid} (rtp test, role {locker.info.user})" in text
        assert reason(running, "election")["reason"] == "starting"
    eventually(lambda: running.ready()[1]["role"] == "leader")


def test_whoever_the_judge_waits_for_is_named(
    start: Start, settings: Settings, writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    install(writer, tvl=TVL | {"cooldown": "1h"})
    running = start(settings)
    eventually(lambda: running.pipeline.idle_seconds() > 0)
    locker = connect_again()
    with locker.transaction():
        locker.execute("LOCK rtp.baseline IN SHARE MODE")
        told = Told()
        write(writer, 100)
        text = told.by(running, "judge: it waits for a lock on rtp.baseline")
        assert f"held by pid {locker.info.backend_pid} (rtp test, role {locker.info.user})" in text
    running.told("judge: no longer waits for a lock")


# What a part of rtp cannot do


def test_a_missing_queue_is_told_with_its_region_and_how_to_make_it_and_is_counted(
    start: Start, settings: Settings
) -> None:
    sqs = settings.sqs.model_copy(update={"queue": "nobody-made-it.fifo", "region": "eu-west-3"})
    told = Told()
    running = start(settings.model_copy(update={"sqs": sqs}))
    text = told.by(running, "nobody-made-it.fifo")
    assert "find no queue nobody-made-it.fifo in region eu-west-3" in text
    assert "aws sqs create-queue --queue-name nobody-made-it.fifo --region eu-west-3" in text
    found = reason(running, "sqs")
    assert (found["reason"], found["detail"].startswith(text.removesuffix(". Trying again"))) == ("failing", True)
    labels = {"part": "sqs", "service": "SQS"}
    eventually(lambda: (running.metric("rtp_trouble_failures", **labels) or 0) > 3)
    assert (running.metric("rtp_retries_total", sink="sqs") or 0) > 3
    assert (running.metric("rtp_trouble_seconds", **labels) or 0) > 2


def test_a_stream_that_refuses_makes_it_not_ready(start: Start, settings: Settings, writer: psycopg.Connection) -> None:
    running = start(settings)
    eventually(lambda: running.ready()[0] == 200)
    with redis.Redis.from_url(settings.redis.url or "") as client:
        client.config_set("min-replicas-to-write", "1")
        told = Told()
        try:
            write(writer, 100, 200)
            told.by(running, "NOREPLICAS")
            assert reason(running, "redis")["reason"] == "failing"
        finally:
            client.config_set("min-replicas-to-write", "0")
    eventually(lambda: running.ready()[0] == 200)


def test_a_monitor_that_cannot_write_its_line_says_so(
    start: Start, settings: Settings, writer: psycopg.Connection
) -> None:
    writer.execute("ALTER TABLE rtp.process ADD CONSTRAINT nothing CHECK (false) NOT VALID")
    told = Told()
    running = start(settings)
    told.by(running, "monitor: it cannot do this now: writing the line for rtp status")
    writer.execute("ALTER TABLE rtp.process DROP CONSTRAINT nothing")
    running.told("monitor: writing the line for rtp status again")


def test_a_cache_that_cannot_be_filled_for_lack_of_a_lock_is_told(
    start: Start, settings: Settings, writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection]
) -> None:
    write(writer, 100, 200)
    running = start(settings)
    eventually(lambda: delivered(settings) == 1)
    locker = connect_again()
    with locker.transaction():
        locker.execute("LOCK rtp.watch IN ACCESS EXCLUSIVE MODE")  # the fill gives way, again and again
        told = Told()
        with redis.Redis.from_url(settings.redis.url or "") as client:
            client.flushall()
        told.by(running, "the cache was not rebuilt, trying again: ")
    running.told("the cache is looked after again")


def test_the_status_shows_what_a_running_rtp_cannot_do(start: Start, settings: Settings, command: Command) -> None:
    sqs = settings.sqs.model_copy(update={"queue": "nobody-made-it.fifo"})
    start(settings.model_copy(update={"sqs": sqs}))

    def troubles() -> list[dict[str, str]]:
        processes = command("status", "--postgres-dsn", postgres_dsn(settings), "--json").document["processes"]
        return [trouble for process in processes for trouble in process["figures"]["troubles"]]

    found = eventually(troubles)
    assert [(t["part"], t["service"]) for t in found] == [("sqs", "SQS")]
    assert "nobody-made-it.fifo" in found[0]["cause"]
    shown = command("status", "--postgres-dsn", postgres_dsn(settings)).out
    assert "What it cannot do now" in shown


# How it ends


@pytest.mark.parametrize("ending", [("--for", "1s"), ("--until-idle", "--for", "1s")])
def test_a_run_that_never_reached_a_service_ends_with_1(
    command: Command, settings: Settings, ending: tuple[str, ...]
) -> None:
    dsn = urlsplit(postgres_dsn(settings))
    nowhere = dsn._replace(netloc=f"rtp@{dsn.hostname}:1").geturl()
    done = command("run", *ending, environ=environ_of(settings) | {"RTP_POSTGRES_DSN": nowhere})
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("Never reached from the start to the end: PostgreSQL (election)")


def test_a_run_whose_sink_was_never_reached_ends_with_1(command: Command, settings: Settings) -> None:
    environ = {"RTP_POSTGRES_DSN": postgres_dsn(settings), "RTP_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = command("run", "--for", "2s", environ=environ)
    assert (done.code, "Redis (redis)" in done.err.splitlines()[-1]) == (1, True)


def test_a_run_until_idle_that_cannot_deliver_gives_up_with_1(
    command: Command, settings: Settings, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreground, "STUCK_SECONDS", 1.0)
    write(writer, 100, 200)
    environ = environ_of(settings) | {"RTP_SQS_QUEUE": "nobody-made-it.fifo"}
    done = command("run", "--until-idle", environ=environ)
    (line,) = (line for line in done.err.splitlines() if line.startswith("Gave up"))
    assert done.code == 1
    assert line.startswith("Gave up after 1 s in which nothing was delivered. In the way: sqs: ")
    assert "nobody-made-it.fifo" in line


def test_a_run_with_nothing_to_do_ends_with_0(command: Command, settings: Settings) -> None:
    done = command("run", "--until-idle", "--json", environ=environ_of(settings))
    assert done.code == 0
    document = json.loads(done.out.splitlines()[-1])
    assert (document["troubles"], document["lead_trouble"]) == ([], "")
