"""The demo's feed against a real PostgreSQL, and its reader of alerts against a real SQS endpoint."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from core.demo.alerts import DemoAlerts
from core.demo.change import Change, FeedStep, PriceChange, ProtocolChange, TvlChange
from core.demo.feed import Feed
from core.demo.market import Market
from core.demo.pace import Pace, at_rate, by_history
from core.demo.tables import create_tables, seed_tables, write_step
from core.errors import FeedError
from core.services.postgres import connect
from core.settings.models import Settings
from rtp_client.backoff import Backoff
from tests.cut import cut

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue

DEFAULT_SETTINGS = Path(__file__).resolve().parents[2] / "configs" / "default.yaml"
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
AT_ONCE = by_history(None)
PROMPT = Backoff(initial_seconds=0.001, max_seconds=0.001)
LIDO = TvlChange("ethereum", "lido", Decimal("24300000000.50"), "test")
USDC = PriceChange("ethereum", "usdc", Decimal("0.99990000"), 0.97, "test")
AAVE = ProtocolChange("aave-v3", "Aave V3", "test", "Lending", "ethereum", "https://aave.com", 6, "aave")


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with closing(connect(database, role="test")) as open_connection:
        create_tables(open_connection)
        yield open_connection


@pytest.fixture
def run_feed(database: str, connection: psycopg.Connection) -> Callable[..., Feed]:
    """Run a feed to its end."""

    def run(steps: Iterator[FeedStep] | list[FeedStep], pace: Pace = AT_ONCE, **options: Any) -> Feed:
        feed = Feed(partial(connect, database, role="demo feed"), steps, pace, backoff=PROMPT, **options)
        feed.start()
        assert feed.finished.wait(20)
        feed.stop()
        return feed

    return run


def rows(connection: psycopg.Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"TABLE {table}".encode()).fetchall()


# The tables


def test_making_the_tables_again_keeps_what_is_in_them(connection: psycopg.Connection) -> None:
    write_step(connection, FeedStep((LIDO,)))
    create_tables(connection)
    assert len(rows(connection, "tvl")) == 1


def test_the_tables_have_every_column_that_the_default_settings_watch(connection: psycopg.Connection) -> None:
    settings = Settings.model_validate(yaml.safe_load(DEFAULT_SETTINGS.read_text()))
    for watch in settings.watches.values():
        mapped = {name for name in watch.columns.model_dump().values() if isinstance(name, str)}
        description = connection.execute(f"TABLE {watch.table}".encode()).description or []
        assert mapped | set(watch.watched) <= {column.name for column in description}


def test_seeding_writes_every_row_of_the_opening(connection: psycopg.Connection) -> None:
    written = seed_tables(connection, Market(1))
    assert written == sum(len(rows(connection, table)) for table in ("tvl", "prices", "protocols"))


def test_seeding_twice_changes_no_row_count(connection: psycopg.Connection) -> None:
    seed_tables(connection, Market(1))
    before = len(rows(connection, "prices"))
    seed_tables(connection, Market(1))
    assert len(rows(connection, "prices")) == before


# One step


@pytest.mark.parametrize(
    ("change", "table", "expected"),
    [
        (LIDO, "tvl", ("ethereum", "lido", Decimal("24300000000.50"), "test", NOON)),
        (USDC, "prices", ("ethereum", "usdc", Decimal("0.99990000"), 0.97, "test", NOON)),
        (
            AAVE,
            "protocols",
            ("aave-v3", "Aave V3", "Lending", "ethereum", "https://aave.com", 6, "aave", "test", NOON),
        ),
    ],
)
def test_a_change_becomes_a_row(
    change: Change, table: str, expected: tuple[Any, ...], connection: psycopg.Connection
) -> None:
    write_step(connection, FeedStep((change,), NOON))
    assert rows(connection, table) == [expected]


def test_an_amount_keeps_its_digits(connection: psycopg.Connection) -> None:
    write_step(connection, FeedStep((USDC,)))
    assert connection.execute("SELECT price_usd::text FROM prices").fetchone() == ("0.99990000",)


def test_a_later_change_replaces_the_row(connection: psycopg.Connection) -> None:
    write_step(connection, FeedStep((LIDO,)))
    write_step(connection, FeedStep((TvlChange("ethereum", "lido", Decimal(7), "later"),), NOON))
    assert rows(connection, "tvl") == [("ethereum", "lido", Decimal(7), "later", NOON)]


def test_a_step_without_a_time_is_written_at_the_databases_time(connection: psycopg.Connection) -> None:
    write_step(connection, FeedStep((LIDO,)))
    age = connection.execute("SELECT clock_timestamp() - updated_at FROM tvl").fetchone()
    assert age is not None
    assert timedelta(0) <= age[0] < timedelta(minutes=1)


def test_what_a_feed_does_not_know_of_a_protocol_stays(connection: psycopg.Connection) -> None:
    write_step(connection, FeedStep((AAVE,), NOON))
    write_step(connection, FeedStep((ProtocolChange("aave-v3", "Aave V3", "test"),), NOON))
    assert rows(connection, "protocols") == [
        ("aave-v3", "Aave V3", "Lending", "ethereum", "https://aave.com", 6, "aave", "test", NOON)
    ]


def test_a_protocol_without_a_chain_is_on_all_chains(connection: psycopg.Connection) -> None:
    write_step(connection, FeedStep((ProtocolChange("lido", "Lido", "test"),)))
    assert connection.execute("SELECT chain FROM protocols").fetchone() == ("all",)


def test_a_step_is_written_whole_or_not_at_all(connection: psycopg.Connection) -> None:
    doubtful = PriceChange("ethereum", "usdc", Decimal(1), 1.5, "test")
    with pytest.raises(psycopg.errors.CheckViolation):
        write_step(connection, FeedStep((LIDO, doubtful)))
    assert rows(connection, "tvl") == []


# The feed


def test_a_feed_writes_every_step(connection: psycopg.Connection, run_feed: Callable[..., Feed]) -> None:
    feed = run_feed([FeedStep((LIDO,), NOON), FeedStep((USDC, AAVE), NOON)])
    assert [len(rows(connection, table)) for table in ("tvl", "prices", "protocols")] == [1, 1, 1]
    assert (feed.rows_written, feed.error) == (3, None)


def test_a_simulated_market_ends_as_its_last_steps_say(
    connection: psycopg.Connection, run_feed: Callable[..., Feed]
) -> None:
    steps = list(islice(Market(3).steps(), 50))
    run_feed(steps)
    last = {change.key: change for step in steps for change in step.changes}
    expected = {
        (change.chain, change.token, change.price_usd) for change in last.values() if isinstance(change, PriceChange)
    }
    assert {row[:3] for row in rows(connection, "prices")} == expected


def test_a_lost_connection_is_counted_and_loses_no_step(
    connection: psycopg.Connection, run_feed: Callable[..., Feed]
) -> None:
    def steps() -> Iterator[FeedStep]:
        yield FeedStep((LIDO,), NOON)
        cut(connection, named="rtp demo feed")
        yield FeedStep((USDC,), NOON)

    feed = run_feed(steps())
    assert (feed.failures, feed.rows_written, len(rows(connection, "prices"))) == (1, 2, 1)


def test_a_bad_line_ends_the_feed_with_its_error(run_feed: Callable[..., Feed]) -> None:
    def steps() -> Iterator[FeedStep]:
        yield FeedStep((LIDO,), NOON)
        raise FeedError("history.csv, line 3: tvl_usd is empty")

    assert isinstance(run_feed(steps()).error, FeedError)


def test_what_no_retry_can_mend_ends_the_feed_with_its_error(
    connection: psycopg.Connection, run_feed: Callable[..., Feed]
) -> None:
    connection.execute("DROP TABLE tvl")
    assert isinstance(run_feed([FeedStep((LIDO,))]).error, psycopg.errors.UndefinedTable)


class FakeTime:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def test_a_feed_waits_until_each_step_is_due(run_feed: Callable[..., Feed]) -> None:
    time = FakeTime()
    steps = [FeedStep((LIDO,), NOON), FeedStep((LIDO,), NOON + timedelta(minutes=15))]
    run_feed(steps, by_history(60), clock=time.clock, sleep=time.sleep)
    assert time.sleeps == [15]


def test_a_feed_keeps_its_rate(run_feed: Callable[..., Feed]) -> None:
    time = FakeTime()
    run_feed([FeedStep((LIDO, USDC))] * 3, at_rate(200), clock=time.clock, sleep=time.sleep)
    assert time.now == pytest.approx(0.02)


def test_a_feed_does_not_catch_up_in_a_burst_after_an_outage(run_feed: Callable[..., Feed]) -> None:
    time = FakeTime()

    def steps() -> Iterator[FeedStep]:
        yield FeedStep((LIDO,))
        time.now = 60
        yield FeedStep((LIDO,))
        yield FeedStep((LIDO,))

    run_feed(steps(), at_rate(2), clock=time.clock, sleep=time.sleep)
    assert time.sleeps == [0.5]


def test_a_feed_that_waits_for_history_stops_promptly(database: str, connection: psycopg.Connection) -> None:
    reached = threading.Event()

    def steps() -> Iterator[FeedStep]:
        yield FeedStep((LIDO,), NOON)
        reached.set()
        yield FeedStep((LIDO,), NOON + timedelta(days=1))

    feed = Feed(partial(connect, database, role="demo feed"), steps(), by_history(1))
    feed.start()
    assert reached.wait(20)
    feed.stop()
    assert feed.finished.is_set()


def test_a_feed_without_a_database_stops_promptly() -> None:
    tried = threading.Event()

    def refuse() -> psycopg.Connection:
        tried.set()
        return connect("host=127.0.0.1 port=1 dbname=nowhere", role="demo feed")

    feed = Feed(refuse, Market(1).steps(), at_rate(200))
    feed.start()
    assert tried.wait(20)
    feed.stop()
    assert feed.finished.is_set()


def test_a_feed_that_never_began_can_be_stopped(database: str) -> None:
    feed = Feed(partial(connect, database, role="demo feed"), [], AT_ONCE)
    feed.stop()
    assert not feed.finished.is_set()


# The reader of alerts


class Inbox:
    """Takes events, and lets a test wait for as many as it expects."""

    def __init__(self, expected: int) -> None:
        self.ids: list[str] = []
        self.full = threading.Event()
        self._expected = expected

    def __call__(self, event: dict[str, Any]) -> None:
        self.ids.append(event["id"])
        if len(self.ids) == self._expected:
            self.full.set()


def send(client: SQSClient, queue: SqsQueue, bodies: list[str]) -> None:
    for number, body in enumerate(bodies):
        client.send_message(
            QueueUrl=queue.url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=str(number)
        )


def consume(client: SQSClient, queue: SqsQueue, inbox: Inbox) -> DemoAlerts:
    consumer = DemoAlerts(client, queue.url, inbox, backoff=PROMPT)
    consumer.start()
    assert inbox.full.wait(20)
    consumer.stop()
    return consumer


def alert(number: int) -> str:
    return json.dumps({"id": f"e{number}", "type": "rtp.tvl.changed"})


def test_alerts_arrive_in_order(sqs_client: SQSClient, sqs_queue: SqsQueue) -> None:
    send(sqs_client, sqs_queue, [alert(number) for number in range(25)])
    inbox = Inbox(expected=25)
    consume(sqs_client, sqs_queue, inbox)
    assert inbox.ids == [f"e{number}" for number in range(25)]


def test_an_alert_that_comes_twice_is_handed_over_once_and_counted(sqs_client: SQSClient, sqs_queue: SqsQueue) -> None:
    send(sqs_client, sqs_queue, [alert(1), alert(1), alert(2)])
    inbox = Inbox(expected=2)
    assert (consume(sqs_client, sqs_queue, inbox).duplicates, inbox.ids) == (1, ["e1", "e2"])


@pytest.mark.parametrize("body", ["no json", "[]", "{}", '{"id": 5}'])
def test_a_message_that_is_no_event_is_counted_and_blocks_nobody(
    body: str, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    send(sqs_client, sqs_queue, [body, alert(1)])
    assert consume(sqs_client, sqs_queue, Inbox(expected=1)).malformed == 1


def test_what_was_read_is_gone_from_the_queue(sqs_client: SQSClient, sqs_queue: SqsQueue) -> None:
    send(sqs_client, sqs_queue, [alert(number) for number in range(12)])
    consume(sqs_client, sqs_queue, Inbox(expected=12))
    left = sqs_client.get_queue_attributes(QueueUrl=sqs_queue.url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == left["ApproximateNumberOfMessagesNotVisible"] == "0"


@pytest.fixture
def flaky_client(sqs_queue: SqsQueue) -> Iterator[SQSClient]:
    """A client whose first two calls find nobody at home."""
    client = boto3.client(
        "sqs",
        endpoint_url=sqs_queue.endpoint_url,
        region_name=sqs_queue.region,
        config=Config(retries={"total_max_attempts": 1}),
    )
    calls_that_fail = iter(range(2))

    def fail(**_: object) -> None:
        if next(calls_that_fail, None) is not None:
            raise EndpointConnectionError(endpoint_url=sqs_queue.endpoint_url)

    client.meta.events.register("before-send.sqs.ReceiveMessage", fail)
    with closing(client):
        yield client


def test_an_outage_of_sqs_is_outlived_and_counted(
    flaky_client: SQSClient, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    send(sqs_client, sqs_queue, [alert(1)])
    assert consume(flaky_client, sqs_queue, Inbox(expected=1)).failures == 2


def test_a_consumer_that_never_began_can_be_stopped(sqs_client: SQSClient, sqs_queue: SqsQueue) -> None:
    consumer = DemoAlerts(sqs_client, sqs_queue.url, Inbox(expected=1))
    consumer.stop()
    assert consumer.received == 0
