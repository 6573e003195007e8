"""Dead letters as they lie there: what is kept and copied of them, listed and shown; and what changes none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from tests.command import Command, Done
from tests.faulty_sqs import faulty_sqs
from tests.letters import dlq, letters, through, two_refused, values_in

if TYPE_CHECKING:
    import psycopg
    from mypy_boto3_sqs import SQSClient

Dlq = Callable[..., Done]


@pytest.fixture(scope="module")
def two_dead(shared_settings: Settings) -> Iterator[Settings]:
    with faulty_sqs(shared_settings.sqs.endpoint_url or "") as gateway:
        faulty = through(shared_settings, gateway)
        with two_refused(faulty, gateway):
            yield faulty


@pytest.fixture
def database(two_dead: Settings) -> Iterator[psycopg.Connection]:
    """A connection to the database of those letters, which are as dead after the test as before."""
    with closing(connect(postgres_dsn(two_dead), role="test")) as connection:
        yield connection
        assert letters(connection, "status, attempts") == [("dead", 3), ("dead", 3)]


@pytest.fixture
def copies(two_dead: Settings, sqs_client: SQSClient) -> list[Any]:
    """What lies in the dead letter queue, and stays there."""
    url = sqs_client.get_queue_url(QueueName=f"{(two_dead.sqs.queue or '').removesuffix('.fifo')}-dlq.fifo")["QueueUrl"]
    looked = sqs_client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    return list(looked["Messages"])


@pytest.fixture(name="dlq")
def run_dlq(command: Command, two_dead: Settings) -> Dlq:
    return dlq(command, two_dead)


def test_a_letter_tells_when_it_was_first_and_last_tried(database: psycopg.Connection) -> None:
    rows = letters(database, "attempts, first_attempt_at < last_attempt_at")
    assert rows == [(3, True), (3, True)]


def test_a_letter_is_sent_to_the_queues_dead_letter_queue(copies: list[Any]) -> None:
    assert values_in(copies) == ["2", "4"]


def test_a_copy_tells_what_became_of_the_event(copies: list[Any]) -> None:
    first = copies[0]
    told = {name: value["StringValue"] for name, value in first["MessageAttributes"].items()}
    event = json.loads(first["Body"])
    assert (told["sink"], told["attempts"], told["event_id"], "poison" in told["error"]) == (
        "sqs",
        "3",
        event["id"],
        True,
    )


def test_the_list_names_every_letter(dlq: Dlq, database: psycopg.Connection) -> None:
    ids = [str(row[0]) for row in letters(database, "id")]
    listed = [json.loads(line) for line in dlq("list", "--json").out.splitlines()]
    assert [(one["id"], one["origin"], one["entity"]) for one in listed] == [(i, "database", "lido") for i in ids]


def test_the_list_for_people_counts_them(dlq: Dlq) -> None:
    assert "Dead letters: 2" in dlq("list").out


NARROWED = {
    ("--sink", "sqs"): 2,
    ("--sink", "redis"): 0,
    ("--kind", "tvl"): 2,
    ("--kind", "price"): 0,
    ("--chain", "ether*"): 2,
    ("--protocol", "LIDO"): 2,
    ("--protocol", "aave"): 0,
    ("--since", "1h"): 2,
    ("--error", "POISON"): 2,
    ("--error", "throttled"): 0,
    ("--origin", "queue"): 0,
    ("--limit", "1"): 1,
}


def test_the_list_can_be_narrowed(dlq: Dlq) -> None:
    assert {words: len(dlq("list", "--json", *words).out.splitlines()) for words in NARROWED} == NARROWED


@pytest.mark.parametrize("words", [("list",), ("retry",), ("drop", "--yes")], ids=["list", "retry", "drop"])
def test_a_sink_that_is_none_is_one_line_that_names_those_there_are(
    dlq: Dlq, database: psycopg.Connection, words: tuple[str, ...]
) -> None:
    done = dlq(*words, "--sink", "sqss")
    assert (done.code, done.err) == (2, "no sink is called 'sqss'. Known: redis, sqs\n")


def test_a_letter_is_shown_with_its_whole_event(dlq: Dlq, database: psycopg.Connection) -> None:
    ((letter_id, event), *_) = letters(database, "id, event")
    shown = dlq("show", str(letter_id), "--json").document
    assert (shown["event"], shown["attempts"]) == (event, 3)


def test_a_newer_letter_waits_for_the_older_one_of_its_group(dlq: Dlq, database: psycopg.Connection) -> None:
    newer = letters(database, "id")[1][0]
    done = dlq("retry", str(newer))
    assert (done.code, "is older" in done.err, letters(database, "status")) == (1, True, [("dead",), ("dead",)])


def test_two_retries_at_once_are_refused(dlq: Dlq, database: psycopg.Connection) -> None:
    with database.transaction():
        database.execute("LOCK TABLE rtp.dead_letter IN SHARE UPDATE EXCLUSIVE MODE")
        done = dlq("retry", "--all")
    assert (done.code, f"pid {database.info.backend_pid}" in done.err) == (2, True)
