"""Dead letters: kept, sent to the queue's own dead letter queue, delivered again or dropped, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest
import redis

from core.errors import SettingsError, SinkUnavailable
from core.kinds import SHIPPED
from core.leading.epoch import UNFENCED, Epochs
from core.letters.dlq_copier import DlqCopier, QueueBehind
from core.letters.letter import Selection
from core.letters.redrive import Result, drop, redrive
from core.letters.store import DeadLetterStore, open_store
from core.services.postgres import DatabaseServer
from core.settings.file import default_path
from core.settings.models import Settings, SqsSettings, postgres_dsn
from core.settings.routes import route_model
from core.sinks import registry
from core.sinks.sink_type import Destination, SinkType
from rtp_client.keys import cache_key
from tests.command import Command, Done
from tests.eventually import eventually
from tests.faulty_sqs import FaultySqs, faulty_sqs
from tests.file_sink import FileSink
from tests.letters import dlq, letters, prompt_pipeline, through, two_refused, values_in
from tests.queue_drain import drain
from tests.recoveries import quiet_recovery
from tests.tvl_table import write

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from mypy_boto3_sqs import SQSClient

    from core.processor.pipeline import Pipeline
    from core.services.dead_letter_queue import DeadLetterQueue
    from tests.conftest import SqsQueue

Start = Callable[[Settings], "Pipeline"]
Dlq = Callable[..., Done]
MEBIBYTE = 1_048_576


@pytest.fixture
def gateway(sqs_queue: SqsQueue) -> Iterator[FaultySqs]:
    with faulty_sqs(sqs_queue.endpoint_url) as faults:
        yield faults


@pytest.fixture
def faulty(settings: Settings, gateway: FaultySqs) -> Settings:
    return through(settings, gateway)


@pytest.fixture
def problems() -> list[str]:
    """What the pipelines reported."""
    return []


@pytest.fixture
def start(settings: Settings, problems: list[str]) -> Iterator[Start]:
    """Starts pipelines; those that still run after the test are stopped before its services go."""
    started: list[Pipeline] = []

    def start_one(settings: Settings) -> Pipeline:
        pipeline = prompt_pipeline(settings, lambda problem: problems.append(str(problem)))
        started.append(pipeline)
        pipeline.start()
        return pipeline

    yield start_one
    for pipeline in started:
        pipeline.stop()


@pytest.fixture(name="dlq")
def run_dlq(command: Command, settings: Settings) -> Dlq:
    return dlq(command, settings)


def in_queue(client: SQSClient, url: str) -> int:
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture
def two_dead(faulty: Settings, gateway: FaultySqs) -> Iterator[Settings]:
    with two_refused(faulty, gateway):
        yield faulty


# What is kept


def test_an_event_that_is_read_again_is_the_same_letter(
    two_dead: Settings, gateway: FaultySqs, start: Start, writer: psycopg.Connection
) -> None:
    gateway.poisonous = '"entity":"lido"'
    writer.execute(
        "UPDATE rtp.cursor SET snapshot = '1:1:', until = NULL, after_id = 0, floor_id = 0 WHERE sink = 'sqs'"
    )
    start(two_dead)
    assert eventually(lambda: letters(writer, "attempts") == [(6,), (6,)])


def test_an_overlong_event_blocks_neither_its_group_nor_others(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    writer.execute("INSERT INTO protocols (protocol, name, source) VALUES ('lido', 'a', 's'), ('aave', 'a', 's')")
    with writer.transaction():
        writer.execute("UPDATE protocols SET name = repeat('x', %s) WHERE protocol = 'lido'", [2 * MEBIBYTE])
        writer.execute("UPDATE protocols SET name = 'b' WHERE protocol = 'aave'")
    writer.execute("UPDATE protocols SET name = 'b', url = repeat('y', 20) WHERE protocol = 'aave'")
    writer.execute("UPDATE protocols SET category = 'staking' WHERE protocol = 'lido'")
    start(settings)
    got: list[tuple[str, str]] = []

    def arrived() -> bool:
        for message in drain(sqs_client, sqs_queue.url):
            data = json.loads(message["Body"])["data"]
            got.append((data["entity"], ",".join(data["fields"])))
        return ("lido", "category") in got

    eventually(arrived)
    assert [names for entity, names in got if entity == "aave"][1:] == ["name", "url"]
    assert eventually(lambda: letters(writer, "entity, sink") == [("lido", "sqs")])


# The copy in the dead letter queue


def test_an_overlong_event_is_sent_shortened_with_a_note(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    write(writer, 1)
    start(settings)
    write(writer, 2, source="x" * 2 * MEBIBYTE)
    (copy,) = eventually(lambda: drain(sqs_client, sqs_queue.dlq_url))
    assert "shortened" in copy["MessageAttributes"]["note"]["StringValue"]
    assert json.loads(copy["Body"])["data"]["current"] == "2"


def test_a_dead_letter_queue_for_tiny_messages_gets_the_events_id(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.dlq_url, Attributes={"MaximumMessageSize": "1024"})
    write(writer, 1)
    start(settings)
    write(writer, 2, source="x" * 2 * MEBIBYTE)
    (copy,) = eventually(lambda: drain(sqs_client, sqs_queue.dlq_url))
    assert json.loads(copy["Body"])["id"] == copy["MessageAttributes"]["event_id"]["StringValue"]


def test_a_letter_is_sent_once_sqs_is_back(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    broken = settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"dead_letter_queue": "gone.fifo"})})
    write(writer, 1)
    first = start(broken)
    write(writer, 2, source="x" * 2 * MEBIBYTE)
    eventually(lambda: letters(writer))
    first.stop()
    assert letters(writer, "queued_at") == [(None,)]
    start(settings)
    assert values_in(eventually(lambda: drain(sqs_client, sqs_queue.dlq_url))) == ["2"]


def test_a_dead_letter_queue_that_is_away_holds_back_no_delivery(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    write(writer, 1)
    start(settings.model_copy(update={"sqs": settings.sqs.model_copy(update={"dead_letter_queue": "gone.fifo"})}))
    write(writer, 2, source="x" * 2 * MEBIBYTE)
    eventually(lambda: letters(writer))
    write(writer, 3)
    assert values_in(eventually(lambda: drain(sqs_client, sqs_queue.url))) == ["3"]


def test_a_letter_that_cannot_be_marked_as_queued_is_told_once_and_marked_when_it_can(
    start: Start, settings: Settings, writer: psycopg.Connection, problems: list[str]
) -> None:
    writer.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        " CREATE TRIGGER refuse BEFORE UPDATE OF queued_at ON rtp.dead_letter FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    write(writer, 1)
    start(settings)
    write(writer, 2, source="x" * 2 * MEBIBYTE)
    eventually(lambda: any("could not extend file" in problem for problem in problems))
    writer.execute("DROP TRIGGER refuse ON rtp.dead_letter")
    eventually(lambda: letters(writer, "queued_at IS NULL") == [(False,)])
    told = [problem for problem in problems if "could not extend file" in problem]
    assert ["refuses: " in problem for problem in told] == [True]


def test_settings_that_find_no_dead_letter_queue_are_told_once(
    settings: Settings, writer: psycopg.Connection, problems: list[str]
) -> None:
    writer.execute(
        "INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts, first_attempt_at, last_attempt_at)"
        " VALUES ('sqs', 1, '{}', 'made up', 1, now(), now())"
    )
    tries = 0

    def find() -> None:
        nonlocal tries
        tries += 1
        raise SettingsError("no such region")

    copier = DlqCopier(
        DatabaseServer(postgres_dsn(settings)),
        {"sqs": QueueBehind(find, quiet_recovery("SQS"))},
        Epochs(UNFENCED),
        log=quiet_recovery(),
        on_problem=lambda problem: problems.append(str(problem)),
    )
    copier.start()
    try:
        eventually(lambda: tries > 2)
    finally:
        copier.request_stop()
        copier.join()
    assert len([problem for problem in problems if "no such region" in problem]) == 1


def test_a_queue_without_a_dead_letter_queue_keeps_its_letters_in_the_database(
    start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.url, Attributes={"RedrivePolicy": ""})
    write(writer, 1)
    pipeline = start(settings)
    write(writer, 2, source="x" * 2 * MEBIBYTE)
    eventually(lambda: letters(writer))
    eventually(pipeline.idle_seconds)
    assert letters(writer, "status, queued_at") == [("dead", None)]


# rtp dlq list and show


def test_an_empty_list_says_so(settings: Settings, dlq: Dlq) -> None:
    assert dlq("list").out == "No dead letters.\n"


@pytest.mark.parametrize("word", ["999999", "00000000-0000-0000-0000-000000000000", "no-id"])
def test_a_letter_that_is_not_there_is_one_line_and_exit_code_2(settings: Settings, dlq: Dlq, word: str) -> None:
    done = dlq("show", word)
    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        (("list",), False),
        (("show", "00000000-0000-0000-0000-000000000000"), True),
        (("drop", "00000000-0000-0000-0000-000000000000"), True),
        (("drop", "--all", "--yes"), False),
    ],
    ids=["list", "show", "drop", "drop-all"],
)
def test_a_queue_that_cannot_be_read_is_one_line_and_exit_code_1(
    settings: Settings, command: Command, words: tuple[str, ...], is_told: bool
) -> None:
    services = {
        "RTP_POSTGRES_DSN": postgres_dsn(settings),
        "RTP_SQS_ENDPOINT_URL": "http://127.0.0.1:9",
        "RTP_SQS_QUEUE": settings.sqs.queue or "",
    }
    done = command("dlq", *words, environ=services)
    assert (done.code, done.err.count("left out"), "not where rtp could look" in done.err) == (1, 1, is_told)


def test_an_endpoint_that_is_away_is_asked_once_for_all_its_queues(
    settings: Settings, command: Command, tmp_path: Path
) -> None:
    config = tmp_path / "rtp.yaml"
    watch = "{kind: tvl, table: public.tvl, columns: {chain: chain, protocol: protocol, value: tvl_usd}}"
    config.write_text(f"watches:\n  tvl: {watch}\nroutes:\n  - {{queue: a.fifo}}\n  - {{queue: b.fifo}}\n")
    services = {"RTP_POSTGRES_DSN": postgres_dsn(settings), "RTP_SQS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = command("dlq", "list", "--config", str(config), environ=services)
    assert (done.code, done.err.count("not reachable")) == (1, 1)


def test_one_service_that_is_away_does_not_hide_the_queues_of_another(
    settings: Settings, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def find() -> DeadLetterQueue | None:
        raise SinkUnavailable("Elsewhere", "http://127.0.0.1:9", "Connection refused")

    def destinations(_: Settings) -> Iterator[Destination]:
        for name in ("elsewhere:a", "elsewhere:b"):
            yield Destination(
                name, partial(FileSink, tmp_path / name), find_dead_letter_queue=find, service="Elsewhere"
            )

    elsewhere = SinkType("elsewhere", SqsSettings, destinations, asked_for_by="elsewhere.url")
    monkeypatch.setattr(registry, "SINK_TYPES", (elsewhere, *registry.SINK_TYPES))
    with closing(open_store(writer, settings, with_sinks=False)) as store:
        assert (list(store.queues), store.problems) == (
            ["sqs"],
            [
                "Elsewhere at http://127.0.0.1:9 is not reachable: Connection refused."
                " What may lie in its dead letter queues is left out"
            ],
        )


# rtp dlq retry


def test_a_retry_delivers_in_order(two_dead: Settings, dlq: Dlq, sqs_client: SQSClient, sqs_queue: SqsQueue) -> None:
    assert dlq("retry", "--all").code == 0
    assert values_in(drain(sqs_client, sqs_queue.url)) == ["2", "4"]


def test_letters_of_a_sink_that_the_settings_do_not_have_any_more_are_listed(
    two_dead: Settings, dlq: Dlq, writer: psycopg.Connection
) -> None:
    writer.execute("UPDATE rtp.dead_letter SET sink = 'former'")
    done = dlq("list", "--json", "--sink", "former")
    assert (done.code, len(done.out.splitlines())) == (0, 2)


def test_a_redriven_letter_is_dead_no_more(two_dead: Settings, dlq: Dlq, writer: psycopg.Connection) -> None:
    dlq("retry", "--all")
    assert letters(writer, "status") == [("redriven",), ("redriven",)]


def test_a_redriven_letters_copy_leaves_the_dead_letter_queue(
    two_dead: Settings, dlq: Dlq, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    dlq("retry", "--all")
    assert in_queue(sqs_client, sqs_queue.dlq_url) == 0


def test_a_newer_letter_goes_first_where_that_is_asked_for(
    two_dead: Settings, dlq: Dlq, writer: psycopg.Connection
) -> None:
    newer = letters(writer, "id")[1][0]
    assert dlq("retry", str(newer), "--out-of-order").code == 0
    assert letters(writer, "status") == [("dead",), ("redriven",)]


def test_a_letter_that_is_refused_again_stays_and_does_not_block_its_group(
    dlq: Dlq, start: Start, settings: Settings, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.url, Attributes={"MaximumMessageSize": "1024"})
    write(writer, 1)
    pipeline = start(settings)
    write(writer, 2, source="x" * 5000)
    write(writer, 4, source="x" * 2000)
    eventually(lambda: len(letters(writer)) == 2)
    pipeline.stop()
    sqs_client.set_queue_attributes(QueueUrl=sqs_queue.url, Attributes={"MaximumMessageSize": "4096"})
    done = dlq("retry", "--all")
    assert (done.code, letters(writer, "status, attempts")) == (1, [("dead", 2), ("redriven", 1)])
    assert values_in(drain(sqs_client, sqs_queue.url)) == ["4"]


def test_a_retry_leaves_a_newer_cache_entry_as_it_is(
    dlq: Dlq, settings: Settings, start: Start, writer: psycopg.Connection
) -> None:
    write(writer, 1)
    pipeline = start(settings)
    write(writer, 2)
    with redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as cache:
        key = cache_key("tvl", "ethereum", "lido")
        event = json.loads(str(eventually(lambda: cache.hget(key, "event"))))
        write(writer, 4)
        eventually(lambda: '"current":"4"' in str(cache.hget(key, "event")))
        pipeline.stop()
        writer.execute(
            "INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts, first_attempt_at, last_attempt_at)"
            " VALUES ('redis', %s, %s, 'made up', 1, now(), now())",
            [int(event["sequence"]), json.dumps(event)],
        )
        assert dlq("retry", "--sink", "redis").code == 0
        assert '"current":"4"' in str(cache.hget(key, "event"))


def test_a_row_that_was_no_event_stays_dead(
    dlq: Dlq, settings: Settings, start: Start, writer: psycopg.Connection
) -> None:
    pipeline = start(settings)
    writer.execute(
        "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at)"
        " VALUES (1, 'ethereum', 'lido', 7, 'deviation', 7, now())"
    )
    eventually(lambda: len(letters(writer)) == 2)
    pipeline.stop()
    done = dlq("retry", "--all")
    assert (done.code, done.err.count("is not valid")) == (1, 2)


@pytest.mark.parametrize("words", [("retry",), ("drop",), ("drop", "--all", "--sink", "sqs"), ("drop", "--all")])
def test_a_change_is_told_which_letters_are_meant(settings: Settings, dlq: Dlq, words: tuple[str, ...]) -> None:
    done = dlq(*words)
    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_a_letter_that_is_not_there_is_named(
    two_dead: Settings, dlq: Dlq, writer: psycopg.Connection, verb: str
) -> None:
    known = str(letters(writer, "id")[0][0])
    done = dlq(verb, known, "999998", "999999")
    assert (done.code, "letters 999998, 999999. " in done.err, known in done.err) == (2, True, False)


def test_an_advisory_lock_that_anybody_can_take_keeps_no_retry_away(
    two_dead: Settings, dlq: Dlq, writer: psycopg.Connection
) -> None:
    writer.execute("SELECT pg_advisory_lock(7500912, 5)")
    assert dlq("retry", "--all").code == 0


# rtp dlq drop


def test_a_dropped_letter_is_kept_as_dropped(two_dead: Settings, dlq: Dlq, writer: psycopg.Connection) -> None:
    assert dlq("drop", "--all", "--yes").code == 0
    assert letters(writer, "status") == [("dropped",), ("dropped",)]
    assert len(dlq("list", "--settled", "--json").out.splitlines()) == 2


def test_a_dropped_letters_copy_leaves_the_dead_letter_queue(
    two_dead: Settings, dlq: Dlq, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    dlq("drop", str(letters(writer, "id")[0][0]))
    assert values_in(drain(sqs_client, sqs_queue.dlq_url)) == ["4"]


@pytest.fixture
def shared(
    faulty: Settings, gateway: FaultySqs, start: Start, writer: psycopg.Connection, sqs_queue: SqsQueue, desk: str
) -> Iterator[Settings]:
    """One event of lido that two queues refused, both copies in the dead letter queue they share; rtp is stopped."""
    route = route_model(SHIPPED).model_validate({"queue": desk, "dead_letter_queue": sqs_queue.dlq_name})
    settings = faulty.model_copy(update={"routes": (route,)})
    gateway.poisonous = '"entity":"lido"'
    pipeline = start(settings)
    eventually(lambda: all(one.metrics.state != "starting" for one in pipeline.deliveries))
    write(writer, 1, 2)
    eventually(lambda: letters(writer, "queued_at IS NOT NULL") == [(True,), (True,)])
    pipeline.stop()
    gateway.poisonous = ""
    yield settings


@pytest.mark.parametrize("settle", [drop, redrive])
def test_copies_leave_a_dead_letter_queue_that_two_queues_share(
    shared: Settings,
    desk: str,
    settle: Callable[[DeadLetterStore, Selection], Iterator[Result]],
    writer: psycopg.Connection,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
) -> None:
    with closing(open_store(writer, shared, with_sinks=True)) as store:
        assert len(list(settle(store, Selection(sink=f"sqs:{desk}")))) == 1
        assert in_queue(sqs_client, sqs_queue.dlq_url) == 1
        assert len(list(settle(store, Selection(sink="sqs")))) == 1
    assert in_queue(sqs_client, sqs_queue.dlq_url) == 0


def test_a_retry_needs_nothing_of_sinks_that_have_no_letter(two_dead: Settings, dlq: Dlq, tmp_path: Path) -> None:
    config = tmp_path / "rtp.yaml"
    text = default_path().read_text(encoding="utf-8")
    config.write_text(f"{text}\nwebhook: {{url: {{env: NOT_SET}}}}\n", encoding="utf-8")
    assert dlq("retry", "--sink", "sqs", "--config", str(config)).code == 0


# What SQS's own redrive policy moved


@pytest.fixture
def moved_by_sqs(
    settings: Settings, start: Start, writer: psycopg.Connection, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> list[str]:
    """Three events of lido that no consumer deleted; rtp is stopped. The messages' ids."""
    write(writer, 1)
    pipeline = start(settings)
    write(writer, 2, 4, 8)
    eventually(lambda: in_queue(sqs_client, sqs_queue.url) == 3)
    pipeline.stop()
    ids: dict[str, None] = {}

    def gave_up() -> bool:
        answer = sqs_client.receive_message(QueueUrl=sqs_queue.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        ids.update(dict.fromkeys(message["MessageId"] for message in answer.get("Messages", [])))
        return in_queue(sqs_client, sqs_queue.dlq_url) == 3

    eventually(gave_up)
    return list(ids)


def test_the_list_names_what_sqs_gave_up_on(moved_by_sqs: list[str], dlq: Dlq) -> None:
    listed = [json.loads(line) for line in dlq("list", "--json").out.splitlines()]
    assert [(one["origin"], one["id"]) for one in listed] == [("queue", one) for one in moved_by_sqs]


def test_looking_leaves_everything_where_it_was(
    moved_by_sqs: list[str], dlq: Dlq, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    dlq("list")
    assert values_in(drain(sqs_client, sqs_queue.dlq_url)) == ["2", "4", "8"]


def test_a_message_is_shown_by_its_id(moved_by_sqs: list[str], dlq: Dlq) -> None:
    assert dlq("show", moved_by_sqs[1], "--json").document["event"]["data"]["current"] == "4"


def test_a_retry_sends_back_in_order_within_five_minutes_of_the_original(
    moved_by_sqs: list[str], dlq: Dlq, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    assert dlq("retry", "--all").code == 0
    assert values_in(drain(sqs_client, sqs_queue.url)) == ["2", "4", "8"]
    assert in_queue(sqs_client, sqs_queue.dlq_url) == 0


def test_letters_of_both_origins_go_back_in_one_order(
    moved_by_sqs: list[str],
    dlq: Dlq,
    faulty: Settings,
    gateway: FaultySqs,
    start: Start,
    writer: psycopg.Connection,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
) -> None:
    gateway.poisonous = '"entity":"lido"'
    pipeline = start(faulty)
    write(writer, 16)
    eventually(lambda: letters(writer, "queued_at IS NOT NULL") == [(True,)])
    pipeline.stop()
    # The table's letter is older than all that SQS holds: as if it had been refused first.
    writer.execute("UPDATE rtp.dead_letter SET event_id = 0")
    assert dlq("retry", "--all").code == 0
    assert values_in(drain(sqs_client, sqs_queue.url)) == ["16", "2", "4", "8"]


def test_a_newer_message_waits_for_the_older_one_of_its_group(
    moved_by_sqs: list[str], dlq: Dlq, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    assert dlq("retry", moved_by_sqs[2]).code == 1
    assert values_in(drain(sqs_client, sqs_queue.dlq_url)) == ["2", "4", "8"]


def test_a_dropped_message_is_gone(
    moved_by_sqs: list[str], dlq: Dlq, sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    assert dlq("drop", moved_by_sqs[0]).code == 0
    assert values_in(drain(sqs_client, sqs_queue.dlq_url)) == ["4", "8"]
