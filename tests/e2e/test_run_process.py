"""`rtp run` as a process of its own, between a writer's psycopg and what comes out of Redis and SQS."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import psycopg
import pytest
import redis
import yaml

from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from rtp_client.keys import STREAM, cache_key
from rtp_client.redact import redact
from tests.effort import some
from tests.eventually import eventually
from tests.forked import fork_rtp
from tests.queue_drain import drain
from tests.rtp_process import environ_of, rtp
from tests.terminal import Session, run_at_a_terminal
from tests.webhook_server import webhook_server

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from core.stack import EmbeddedStack
    from tests.conftest import SqsQueue

pytestmark = pytest.mark.timeout(90)

TVL = "UPDATE tvl SET tvl_usd = round(tvl_usd * 1.02, 6), updated_at = clock_timestamp() WHERE protocol = %s"
PRICE = "UPDATE prices SET price_usd = price_usd + 1, updated_at = clock_timestamp() WHERE token = %s"
NAME = "UPDATE protocols SET name = name || '+', updated_at = clock_timestamp() WHERE protocol = %s"
INSIGNIFICANT = "UPDATE tvl SET source = 'llama', updated_at = clock_timestamp() WHERE protocol = %s"

ENTITIES = 8
WRITERS = 4
UPDATES_PER_WRITER = 90


@dataclass(frozen=True)
class Alert:
    """A message as SQS handed it over."""

    body: str
    group_id: str
    deduplication_id: str


def collect(alerts: list[Alert], client: SQSClient, url: str) -> list[Alert]:
    """The alerts so far, with those that have come since."""
    alerts += receive_all(client, url)
    return alerts


def receive_all(client: SQSClient, queue_url: str) -> list[Alert]:
    """Take everything off the queue."""
    return [
        Alert(message["Body"], message["Attributes"]["MessageGroupId"], message["Attributes"]["MessageDeduplicationId"])
        for message in drain(client, queue_url)
    ]


def stream_of(url: str) -> list[str]:
    """The documents in the stream, in its order."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        entries: Any = client.xrange(STREAM)
    return [fields["event"] for _, fields in entries]


def ids_in_stream(settings: Settings) -> list[str]:
    return [json.loads(document)["id"] for document in stream_of(str(settings.redis.url))]


def logged(settings: Settings) -> int:
    with closing(connect(postgres_dsn(settings), role="test")) as connection:
        row = connection.execute("SELECT count(*) FROM rtp.event").fetchone()
    assert row is not None
    return int(row[0])


def seed(settings: Settings) -> None:
    """Entities that have been seen before. Added protocols are events."""
    with closing(connect(postgres_dsn(settings), role="test")) as connection:
        for number in range(ENTITIES):
            connection.execute("INSERT INTO tvl VALUES ('ethereum', %s, 1000, 'llama')", [f"p{number}"])
            connection.execute("INSERT INTO prices VALUES ('ethereum', %s, 100, 0.9, 'llama')", [f"t{number}"])
    add_protocols(settings, "m")


def add_protocols(settings: Settings, prefix: str) -> None:
    """Each is an event."""
    with closing(connect(postgres_dsn(settings), role="test")) as connection:
        for number in range(ENTITIES):
            connection.execute(
                "INSERT INTO protocols (protocol, name, source) VALUES (%s, 'P', 'llama')", [f"{prefix}{number}"]
            )


def emptied(settings: Settings) -> Settings:
    """The same, once nothing of another test's run is left in Redis."""
    with redis.Redis.from_url(str(settings.redis.url)) as client:
        client.flushall()
    return settings


def write(settings: Settings, writer: int, updates: int = UPDATES_PER_WRITER) -> None:
    """One connection's significant updates, each a transaction; half of the entities are the others' as well."""
    with closing(connect(postgres_dsn(settings), role="test")) as connection:
        for number in range(updates):
            entity = number % (ENTITIES // 2) if number % 2 else ENTITIES // 2 + writer % (ENTITIES // 2)
            statement, prefix = ((TVL, "p"), (PRICE, "t"), (NAME, "m"))[number % 3]
            connection.execute(statement, [f"{prefix}{entity}"])
            connection.execute(INSIGNIFICANT, [f"p{entity}"])


@contextmanager
def subscriber(url: str) -> Iterator[list[str]]:
    """Everything published on rtp's channels meanwhile."""
    received: list[str] = []
    with redis.Redis.from_url(url, decode_responses=True) as client, client.pubsub() as subscription:
        subscription.psubscribe("rtp:events:*")
        subscription.get_message(timeout=5)

        def listen() -> None:
            for message in subscription.listen():
                if message["type"] == "punsubscribe":
                    return
                received.append(message["data"])

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield received
        finally:
            subscription.punsubscribe()
            thread.join()


# The whole way.


@dataclass(frozen=True)
class Journey:
    """What became of a few hundred significant updates by several connections at once."""

    written: int
    logged: int
    stream: list[str]
    published: list[str]
    alerts: list[Alert]
    cache: dict[str, dict[str, str]]
    final_status: Any
    code: int


@pytest.fixture
def journey(
    settings: Settings, sqs_client: SQSClient, sqs_queue: SqsQueue, prompt_config: str, journeys: list[Journey]
) -> Journey:
    """Taken once, and looked at by many tests."""
    if not journeys:
        journeys.append(_travel(settings, sqs_client, sqs_queue, prompt_config))
    return journeys[0]


@pytest.fixture(scope="module")
def journeys() -> list[Journey]:
    return []


def _travel(settings: Settings, client: SQSClient, queue: SqsQueue, config: str) -> Journey:
    seed(settings)
    written = ENTITIES + WRITERS * UPDATES_PER_WRITER
    url = str(settings.redis.url)
    running = rtp("run", "-c", config, environ=environ_of(settings))
    with subscriber(url) as published, running as process:
        writers = [threading.Thread(target=write, args=(settings, number)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        alerts: list[Alert] = []
        eventually(lambda: len(collect(alerts, client, queue.url)) >= written, within_seconds=30)
        eventually(lambda: len(published) >= written)
        code = process.end(signal.SIGTERM)
        final_status = process.documents[-1]
    with redis.Redis.from_url(url, decode_responses=True) as cache:
        found: Any = {key: cache.hgetall(key) for key in cache.scan_iter("rtp:cache:*")}
    return Journey(written, logged(settings), stream_of(url), published, alerts, found, final_status, code)


def test_every_significant_update_is_logged(journey: Journey) -> None:
    assert journey.logged == journey.written


def test_every_event_is_published(journey: Journey) -> None:
    assert len(journey.published) == journey.written


def test_every_event_is_in_the_stream(journey: Journey) -> None:
    assert len(journey.stream) == journey.written


def test_every_event_is_queued(journey: Journey) -> None:
    assert len(journey.alerts) == journey.written


def test_no_event_comes_twice(journey: Journey) -> None:
    assert len({json.loads(document)["id"] for document in journey.stream}) == journey.written


def test_what_is_published_is_what_is_in_the_stream(journey: Journey) -> None:
    assert journey.published == journey.stream


def test_what_is_queued_is_what_is_in_the_stream(journey: Journey) -> None:
    assert sorted(alert.body for alert in journey.alerts) == sorted(journey.stream)


def test_the_cache_holds_each_entitys_newest_event(journey: Journey) -> None:
    newest = {}
    for document in journey.stream:
        event = json.loads(document)
        data = event["data"]
        key = cache_key(data["kind"], data["chain"], data["entity"])
        newest[key] = {"sequence": event["sequence"], "event": document}
    cached = {key: {field: journey.cache[key].get(field) for field in ("sequence", "event")} for key in newest}
    assert cached == newest


def by_entity(documents: list[str]) -> dict[str, list[str]]:
    sequences = defaultdict(list)
    for document in documents:
        event = json.loads(document)
        sequences[event["partitionkey"]].append(event["sequence"])
    return sequences


def test_each_entitys_events_are_published_in_order(journey: Journey) -> None:
    sequences = by_entity(journey.published)
    assert sequences == {entity: sorted(found) for entity, found in sequences.items()}


def test_each_entitys_events_are_queued_in_order(journey: Journey) -> None:
    sequences = by_entity([alert.body for alert in journey.alerts])
    assert sequences == {entity: sorted(found) for entity, found in sequences.items()}


def test_each_event_goes_on_from_where_the_last_one_of_its_entity_ended(journey: Journey) -> None:
    last: dict[str, str] = {}
    gaps = []
    for document in journey.stream:
        data = json.loads(document)["data"]
        if data["kind"] == "protocol":
            continue
        before = last.get(data["entity"], data["previous"])
        if data["previous"] != before:
            gaps.append(data)
        last[data["entity"]] = data["current"]
    assert gaps == []


def test_a_message_is_grouped_by_its_entity(journey: Journey) -> None:
    assert {(a.group_id == json.loads(a.body)["partitionkey"]) for a in journey.alerts} == {True}


def test_a_message_is_deduplicated_by_the_events_id(journey: Journey) -> None:
    assert {(a.deduplication_id == json.loads(a.body)["id"]) for a in journey.alerts} == {True}


def test_every_document_fits_the_printed_schema(journey: Journey) -> None:
    with rtp("schema") as printing:
        assert printing.end() == 0
        printed = printing.out
    checker = jsonschema.Draft202012Validator(
        json.loads(printed), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    documents = [*journey.stream, *journey.published, *(alert.body for alert in journey.alerts)]
    assert [error.message for document in documents for error in checker.iter_errors(json.loads(document))] == []


def test_the_status_counts_what_was_delivered(journey: Journey) -> None:
    assert {sink["sink"]: sink["delivered"] for sink in journey.final_status["sinks"]} == {
        "redis": journey.written,
        "sqs": journey.written,
    }


def test_at_the_end_nothing_is_left_to_deliver(journey: Journey) -> None:
    assert [sink["lag_events"] for sink in journey.final_status["sinks"]] == [0, 0]


# How it ends.


# While it tells of each module that has been loaded; then from its first lines on. In the order in which they come.
LOADING = ("typer", "psycopg", "cli.app", "botocore.client")
STARTING = [*LOADING, "watch protocols", "uptime_seconds"]


# Each signal is answered in two ways: until a command notes signals, and after.
OTHERS = [(moment, number) for moment in ("psycopg", "uptime_seconds") for number in (signal.SIGINT, signal.SIGHUP)]
ENDS = [*((moment, signal.SIGTERM) for moment in some(STARTING, 3)), *some(OTHERS, 2)]


@pytest.mark.parametrize(("moment", "number"), ENDS)
def test_a_signal_ends_it_well(settings: Settings, prompt_config: str, moment: str, number: signal.Signals) -> None:
    told = {"PYTHONPROFILEIMPORTTIME": "1"} if moment in LOADING else {}
    is_started = number == signal.SIGTERM  # as a service is; a fork knows the same signals
    with rtp("run", "-c", prompt_config, environ=environ_of(settings) | told, is_started=is_started) as process:
        process.wait_for(moment)
        code = process.end(number)
        assert (code in {0, 128 + number}, "Traceback" in process.err) == (True, False)


def test_a_second_signal_changes_nothing(settings: Settings) -> None:
    with rtp("run", environ=environ_of(settings)) as process:
        process.wait_for("watch protocols")
        process.send(signal.SIGTERM)
        process.wait_for("Finishing the batch in hand")
        while process.process.poll() is None:
            process.send(signal.SIGINT)
        assert (process.end(), "Stopped. Delivered: redis 0, sqs 0." in process.err) == (0, True)


def test_what_nohup_ignores_stays_ignored(settings: Settings) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited
    try:
        with rtp("run", environ=environ_of(settings)) as process:
            process.wait_for("watch protocols")
            process.send(signal.SIGHUP)
            assert process.end(signal.SIGTERM) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_what_it_delivered(settings: Settings, number: signal.Signals) -> None:
    seed(settings)
    with rtp("run", environ=environ_of(settings)) as process:
        eventually(lambda: len(ids_in_stream(settings)) == ENTITIES)
        process.end(number)
        assert f"Stopped. Delivered: redis {ENTITIES}, sqs " in process.err


def test_a_stop_in_full_flow_repeats_nothing_at_the_next_start(settings: Settings) -> None:
    seed(settings)
    with rtp("run", environ=environ_of(settings)) as process:
        writer = threading.Thread(target=write, args=(settings, 0))
        writer.start()
        eventually(lambda: len(ids_in_stream(settings)) > ENTITIES + 10)
        process.end(signal.SIGTERM)
        writer.join()
    with rtp("run", "--until-idle", environ=environ_of(settings)) as process:
        process.end()
    ids = ids_in_stream(settings)
    assert (len(ids), len(set(ids))) == (logged(settings), logged(settings))


def test_until_idle_delivers_the_backlog_and_ends(settings: Settings) -> None:
    seed(settings)
    write(settings, 0)
    with rtp("run", "--until-idle", environ=environ_of(settings)) as process:
        assert (process.end(), len(ids_in_stream(settings))) == (0, logged(settings))


def test_for_ends_it_when_the_time_is_over(settings: Settings) -> None:
    with rtp("run", "--for", "2s", environ=environ_of(settings)) as process:
        code = process.end()
        assert (code, 2 <= process.documents[-1]["uptime_seconds"] < 4) == (0, True)


def test_the_last_line_says_who_led_until_the_end(settings: Settings) -> None:
    with rtp("run", "--for", "1s", environ=environ_of(settings)) as process:
        process.end()
        assert process.documents[-1]["role"] == "leader"


def test_kill_9_and_a_restart_lose_nothing(settings: Settings, sqs_client: SQSClient, sqs_queue: SqsQueue) -> None:
    seed(settings)
    writer = threading.Thread(target=write, args=(settings, 0, 400))
    writer.start()
    for deliveries in (20, 120, 220):
        with rtp("run", environ=environ_of(settings)) as process:
            eventually(lambda: len(set(ids_in_stream(settings))) > deliveries)  # noqa: B023
            process.end(signal.SIGKILL)
    writer.join()
    with rtp("run", "--until-idle", environ=environ_of(settings)) as process:
        process.end()
    queued = {alert.deduplication_id for alert in receive_all(sqs_client, sqs_queue.url)}
    assert (len(set(ids_in_stream(settings))), len(queued)) == (logged(settings), logged(settings))


# What it shows.


@dataclass(frozen=True)
class Quiet:
    """What a run showed in which nothing happened, until SIGTERM."""

    settings: Settings
    documents: list[Any]
    err: str
    code: int


@pytest.fixture(scope="module")
def quiet(shared_settings: Settings, shared_config: str) -> Quiet:
    environ = environ_of(emptied(shared_settings)) | {"COLUMNS": "200"}
    with rtp("run", "-c", shared_config, environ=environ) as process:
        eventually(lambda: len(process.documents) >= 3)
        code = process.end(signal.SIGTERM)
        return Quiet(shared_settings, process.documents, process.err, code)


def test_a_signal_lets_it_finish_what_it_has_begun(quiet: Quiet) -> None:
    assert (quiet.code, "Stopped. Delivered: redis 0, sqs 0." in quiet.err) == (0, True)


def test_without_a_terminal_the_status_is_one_json_line_per_interval(quiet: Quiet) -> None:
    first, second, third = (document["uptime_seconds"] for document in quiet.documents[:3])
    assert min(second - first, third - second) > 0.1  # the interval is 0.2 s; a busy machine may stretch it


def test_a_line_of_status_tells_of_every_sink(quiet: Quiet) -> None:
    sinks = quiet.documents[0]["sinks"]
    assert [(sink["sink"], sink["lag_events"]) for sink in sinks] == [("redis", 0), ("sqs", 0)]


def test_the_summary_names_every_service_and_every_watch(quiet: Quiet) -> None:
    shown, settings = re.sub(" +", " ", quiet.err), quiet.settings
    place = postgres_dsn(settings).rpartition("@")[2]
    assert [line.rstrip() for line in shown.splitlines()[:6]] == [
        f"PostgreSQL {place}",
        f"redis {redact(str(settings.redis.url))}",
        f"sqs {settings.sqs.endpoint_url} {settings.sqs.queue}",
        "watch tvl tvl in public.tvl",
        "watch prices price in public.prices",
        "watch protocols protocol in public.protocols",
    ]


def at_a_terminal(settings: Settings, config: str, *, columns: int = 120, until: str) -> Session:
    return run_at_a_terminal("run", "-c", config, environ=environ_of(settings), columns=columns, until=until)


@pytest.fixture(scope="module")
def session(shared_settings: Settings, shared_config: str) -> Session:
    return at_a_terminal(emptied(shared_settings), shared_config, until="running")


def test_at_a_terminal_there_is_a_live_table(session: Session) -> None:
    assert re.search(r"Sink +State +events/s +p50 +p99", session.plain)


def test_ctrl_c_at_a_terminal_ends_it_well(session: Session) -> None:
    assert (session.code, "Stopped. Delivered" in session.text) == (0, True)


def test_the_terminal_is_left_as_it_was(session: Session) -> None:
    assert (session.settings_after, session.is_cursor_shown) == (session.settings_before, True)


def test_a_narrow_terminal_will_do(settings: Settings, prompt_config: str) -> None:
    assert at_a_terminal(settings, prompt_config, columns=40, until="\x1b[?25l").code == 0


# Services that are not there.


def told_of(err: str, service: str) -> list[str]:
    return [line for line in err.splitlines() if f"{service} at " in line]


@pytest.fixture
def down(request: pytest.FixtureRequest, stack: EmbeddedStack) -> Iterator[str]:
    """A service that does not answer until `bring_back`; SQS is frozen, as a stop would lose its queues."""
    service: str = request.param
    take_away(stack, service)
    yield service
    bring_back(stack, service)


def take_away(stack: EmbeddedStack, service: str) -> None:
    if service == "SQS":
        stack.sqs.pause()
    else:
        server(stack, service).stop()


def server(stack: EmbeddedStack, service: str) -> Any:
    return {"PostgreSQL": stack.postgres, "Redis": stack.redis, "SQS": stack.sqs}[service]


def bring_back(stack: EmbeddedStack, service: str) -> None:
    server(stack, service).start()
    server(stack, service).resume()


PASSWORD = re.compile(r"://[^/@]*:([^/@]+)@")
SERVICES = ["PostgreSQL", "Redis", "SQS"]


@dataclass(frozen=True)
class Outage:
    """What a run showed that began without a service, before that came and after."""

    service: str
    out_without: str
    err_without: str
    delivered: list[int]
    code: int


@pytest.fixture(scope="module", params=SERVICES)
def outage(
    request: pytest.FixtureRequest, shared_settings: Settings, shared_config: str, stack: EmbeddedStack
) -> Outage:
    settings, service = emptied(shared_settings), request.param

    def delivered() -> list[int]:
        return [sink["delivered"] for status in process.documents[-1:] for sink in status["sinks"]]

    take_away(stack, service)
    try:
        with rtp("run", "-c", shared_config, environ=environ_of(settings)) as process:
            eventually(
                lambda: any(c["failures_in_a_row"] >= 4 for status in process.documents for c in status["circuits"]),
            )
            out, err = process.out, process.err
            bring_back(stack, service)
            add_protocols(settings, service)
            eventually(lambda: delivered() == [ENTITIES, ENTITIES])
            code = process.end(signal.SIGTERM)
            return Outage(service, out, err, delivered(), code)
    finally:
        bring_back(stack, service)


def test_it_starts_without_a_service_and_delivers_when_that_is_there(outage: Outage) -> None:
    assert (outage.delivered, outage.code) == ([ENTITIES, ENTITIES], 0)


def test_a_service_that_is_not_there_is_named_once(outage: Outage) -> None:
    assert len(told_of(outage.err_without, outage.service)) == 1, outage.err_without


def test_the_service_that_is_not_there_is_named_with_its_cause(outage: Outage) -> None:
    causes = {"PostgreSQL": "Connection refused", "Redis": "Connection refused", "SQS": "Read timeout"}
    assert causes[outage.service] in told_of(outage.err_without, outage.service)[0]


def test_no_password_is_printed(outage: Outage, shared_settings: Settings) -> None:
    passwords = [found[1] for place in environ_of(shared_settings).values() if (found := PASSWORD.search(place))]
    shown = outage.out_without + outage.err_without
    assert (len(passwords), [password for password in passwords if password in shown]) == (2, [])


def test_with_all_services_away_each_is_named(settings: Settings, prompt_config: str) -> None:
    environ = {
        "RTP_POSTGRES_DSN": "postgresql://rtp:secret@127.0.0.1:1/defi",
        "RTP_REDIS_URL": "redis://:secret@127.0.0.1:1/0",
        "RTP_SQS_ENDPOINT_URL": "http://127.0.0.1:1",
        "RTP_SQS_QUEUE": "alerts.fifo",
    }
    with rtp("run", "-c", prompt_config, "--for", "3s", environ=environ) as process:
        process.end()
        assert [len(told_of(process.err, service)) for service in SERVICES] == [1, 1, 1], process.err


def test_it_does_not_claim_a_recovery_that_never_came(settings: Settings, prompt_config: str) -> None:
    environ = environ_of(settings) | {"RTP_REDIS_URL": "redis://127.0.0.1:1/0"}
    with rtp("run", "-c", prompt_config, "--for", "2s", environ=environ) as process:
        process.end()
        assert "recovered" not in process.err


@pytest.mark.parametrize("down", ["Redis"], indirect=True)
def test_the_end_does_not_wait_for_a_service_that_is_not_there(
    settings: Settings, prompt_config: str, down: str
) -> None:
    with rtp("run", "-c", prompt_config, environ=environ_of(settings)) as process:
        process.wait_for("Redis at ")
        started = time.monotonic()
        process.end(signal.SIGTERM)
        assert time.monotonic() - started < 5


def test_the_end_does_not_wait_for_an_answer_that_takes_its_time(
    settings: Settings, prompt_config: str, writer: psycopg.Connection, tmp_path: Path
) -> None:
    with webhook_server() as receiver:
        config = tmp_path / "rtp.yaml"
        webhook = {"webhook": {"url": receiver.url, "timeout_seconds": 60}}
        config.write_text(Path(prompt_config).read_text("utf-8") + yaml.safe_dump(webhook), "utf-8")
        with rtp("run", "-c", str(config), environ=environ_of(settings)) as process:
            eventually(lambda: writer.execute("SELECT FROM rtp.cursor WHERE sink LIKE 'webhook%'").fetchall())
            writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('prompt', 'P', 'llama')")
            eventually(lambda: any(posted.names("prompt") for posted in receiver.taken))
            receiver.freeze()
            writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('slow', 'S', 'llama')")
            eventually(lambda: any(posted.names("slow") for posted in receiver.posted))
            started = time.monotonic()
            code = process.end(signal.SIGTERM)
            assert (code, "did not finish in time" in process.err) == (0, True)
            assert time.monotonic() - started < 10


# What it cannot run with.


def test_a_database_without_rtp_is_told_in_one_line(settings: Settings, database: str) -> None:
    with rtp("run", environ=environ_of(settings) | {"RTP_POSTGRES_DSN": database}) as process:
        code = process.end()
        lines = [line for line in process.err.splitlines() if "rtp schema" in line]
    assert (code, lines) == (2, ["the database has no rtp schema. Run `rtp install-triggers` first"])


def test_removing_rtp_while_it_runs_ends_it(settings: Settings, writer: psycopg.Connection) -> None:
    with rtp("run", environ=environ_of(settings)) as process:
        process.wait_for("watch protocols")
        eventually(lambda: writer.execute("SELECT 1 FROM rtp.cursor").fetchall())
        eventually(lambda: drops_schema(writer))
        assert (process.end(), "Traceback" in process.err) == (2, False)


def drops_schema(connection: psycopg.Connection) -> bool:
    """Whether it could: where two take tables one by one, one of them may have to give way."""
    try:
        connection.execute("DROP SCHEMA rtp CASCADE")
    except psycopg.errors.DeadlockDetected:
        return False
    return True


@pytest.mark.parametrize("arguments", [["--json"], []], ids=["json", "lines"])
def test_a_reader_that_goes_away_ends_it_without_a_traceback(
    settings: Settings, prompt_config: str, arguments: list[str], tmp_path: Path
) -> None:
    read, write = os.pipe()
    err = tmp_path / "err"
    with os.fdopen(read, "rb") as reader, os.fdopen(write, "wb") as writer, err.open("wb") as errors:
        environ = os.environ | environ_of(settings)
        process = fork_rtp(("run", "-c", prompt_config, *arguments), environ, writer, errors)
        try:
            writer.close()
            assert reader.readline()
            reader.close()
            code = process.wait(20)
        finally:
            process.kill()
    assert (code, b"Traceback" in err.read_bytes()) == (0, False)
