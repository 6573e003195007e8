"""What Lambda gave up is done again: from the stream, else from the table, or from a letter."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import redis

from core.handler.build import build_poller
from core.handler.poller import as_in_lambda
from core.handler.progress import LAMBDA
from core.handler.replay import Replayer
from core.handler.services import stream_services
from core.letters.boxes import failure_queue
from core.letters.stream_letters import RedisLetters, StreamLetter
from core.redis_names import progress_key
from core.sinks.settings import load_settings
from tests.fed import COLUMNS, create_table, fed_document, put, write_config
from tests.mapped import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sqs import SQSClient

    from core.handler.poller import StreamPoller
    from core.letters.replayed import Replayed
    from core.settings.models import Settings
    from core.stack import EmbeddedStack
    from loadtests.benchmarks.handler.mapping_parameters import MappingParameters
    from tests.command import Command, Done


GONE = "shardId-00000000000000000000-gone"
"""A shard that the stream has no more."""


@dataclass
class Fed:
    """A table with a stream, a queue of alerts and one of failures, and the settings that name all of them."""

    cloud: EmbeddedStack
    dynamodb: DynamoDBClient
    streams: DynamoDBStreamsClient
    sqs: SQSClient
    store: redis.Redis
    table: str
    alerts: str
    failures: str
    folder: Path

    def config(self, watch: Mapping[str, Any] | None = None, **attributes: str) -> Path:
        document = fed_document(self.cloud, self.table, self.alerts, **(watch or {}))
        document["dynamodb"]["tables"]["tvl"]["attributes"] = attributes
        return write_config(self.folder, document)

    def settings(self, **watch: Any) -> Settings:
        return load_settings(self.config(watch), environ={}, options={})

    def put(self, *values: str) -> None:
        put(self.dynamodb, self.table, "lido", *values)

    def records(self) -> list[Any]:
        arn = self.dynamodb.describe_table(TableName=self.table)["Table"]["LatestStreamArn"]
        shard = self.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = self.streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        return [arn, shard, self.streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]]

    def give_up(self, *, shard: str = "") -> None:
        """Send what Lambda would send of all that is in the stream; from another shard, of what is there no more."""
        arn, real, records = self.records()
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        now = datetime.now(UTC).isoformat()
        info = {
            "shardId": shard or real,
            "startSequenceNumber": numbers[0],
            "endSequenceNumber": numbers[-1],
            "approximateArrivalOfFirstRecord": now,
            "approximateArrivalOfLastRecord": now,
            "batchSize": len(numbers),
            "streamArn": arn,
        }
        request = {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 3}
        body = {"requestContext": request, "version": "1.0", "timestamp": now, "DDBStreamBatchInfo": info}
        self.send(json.dumps(body))

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self._url(self.failures), MessageBody=body)

    def left(self) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self._url(self.failures), AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def told(self) -> list[tuple[str | None, str | None]]:
        """Previous and current value of each event in the stream of Redis."""
        entries: Any = self.store.xrange("rtp:stream")
        data = [json.loads(fields[b"event"])["data"] for _, fields in entries]
        return [(one["previous"], one["current"]) for one in data]

    def alerted(self) -> list[str]:
        answer = self.sqs.receive_message(QueueUrl=self._url(self.alerts), MaxNumberOfMessages=10)
        return [json.loads(one["Body"])["data"]["current"] for one in answer.get("Messages", [])]

    def poller(self, **watch: Any) -> StreamPoller:
        return build_poller(self.settings(**watch), on_problem=print)

    def replay(self, meanwhile: Callable[[], object] = lambda: None, **watch: Any) -> list[Replayed]:
        """All that lies in the queue of failures; `meanwhile` stands for the time that a look at the table waits."""
        settings = self.settings(**watch)
        box = failure_queue(settings, self.failures)
        with stream_services(settings) as services, box.hold() as found:
            return list(Replayer(services, wait=lambda _: meanwhile()).replay(box, found))

    def _url(self, queue: str) -> str:
        return self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]


@pytest.fixture
def fed(cloud: EmbeddedStack, dynamodb: DynamoDBClient, tmp_path: Path) -> Iterator[Fed]:
    endpoint = cloud.addresses.sqs_endpoint_url
    unique = uuid.uuid4().hex[:8]
    alerts, failures = f"alerts-{unique}.fifo", f"failures-{unique}"
    with (
        closing(boto3.client("dynamodbstreams", endpoint_url=endpoint, region_name="us-east-1")) as streams,
        closing(boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1")) as sqs,
        redis.Redis.from_url(cloud.addresses.redis_url) as store,
    ):
        store.flushall()
        sqs.create_queue(QueueName=alerts, Attributes={"FifoQueue": "true"})
        sqs.create_queue(QueueName=failures)
        yield Fed(cloud, dynamodb, streams, sqs, store, create_table(dynamodb), alerts, failures, tmp_path)


@pytest.fixture
def replay(command: Command, fed: Fed) -> Callable[..., Done]:
    def run(*arguments: str) -> Done:
        return command("replay", "--failures", fed.failures, "--config", str(fed.config()), *arguments)

    return run


def test_a_batch_that_was_given_up_is_read_from_the_stream_again(fed: Fed, replay: Callable[..., Done]) -> None:
    fed.put("100", "100.5", "102")
    fed.give_up()
    done = replay()
    assert (done.code, done.out) == (0, "Letters: 1 replayed. 3 records, 1 event.\n"), done.err
    assert (fed.told(), fed.alerted(), fed.left()) == ([("100", "102")], ["102"], 0)


def test_what_was_judged_meanwhile_is_passed_over_and_told_once(fed: Fed, replay: Callable[..., Done]) -> None:
    fed.put("100", "102")
    fed.give_up()
    fed.put("104")
    fed.poller().poll()
    document = replay("--json").document
    assert (document["came"], document["read_from"], document["passed_over"]) == ("replayed", "stream", 2)
    assert fed.told() == [("100", "102"), ("102", "104")]


def test_a_dry_run_shows_what_lies_there_and_leaves_it(fed: Fed, replay: Callable[..., Done]) -> None:
    fed.put("100", "102")
    fed.give_up()
    shown = replay("--dry-run", "--json").document
    assert (shown["what"], shown["records"], shown["last_number"] is not None) == ("batch", 2, True)
    assert shown["error"] == "Lambda gave it up: RetryAttemptsExhausted, after about 3 tries"
    assert (fed.told(), fed.left()) == ([], 1)


def test_a_message_that_is_no_letter_stays_and_is_named(fed: Fed, replay: Callable[..., Done]) -> None:
    fed.send("hello")
    done = replay()
    assert (done.code, "stays, refused: this is no letter of rtp or Lambda" in done.err) == (1, True)
    assert fed.left() == 1


def test_a_batch_that_cannot_be_done_now_stays(fed: Fed, command: Command) -> None:
    fed.put("100")
    fed.give_up()
    done = command(
        *("replay", "--failures", fed.failures, "--config", str(fed.config()), "--redis-url", "redis://127.0.0.1:1")
    )
    assert (done.code, "stays, waiting: " in done.err, fed.left()) == (1, True, 1)


def test_what_the_stream_has_no_more_is_judged_by_the_table_and_what_is_unknown_is_said(fed: Fed) -> None:
    fed.put("100")
    fed.poller().poll()
    fed.put("102", "110")
    fed.give_up(shard=GONE)
    (done,) = fed.replay()
    assert (done.came, done.read_from, done.events) == ("replayed", "table", 1), done.why
    assert (fed.told(), fed.left()) == ([("100", "110")], 0)
    assert "watch tvl: values between the last one judged and those of now" in done.unknown


def test_an_item_that_is_gone_from_the_table_is_told_as_deleted(fed: Fed) -> None:
    fed.put("100")
    fed.poller().poll()
    fed.dynamodb.delete_item(TableName=fed.table, Key={"protocol": {"S": "lido"}, "chain": {"S": "base"}})
    fed.give_up(shard=GONE)
    (done,) = fed.replay()
    assert (done.came, fed.told()) == ("replayed", [("100", None)]), done.why


def test_an_item_of_which_a_newer_record_was_judged_is_left_alone(fed: Fed) -> None:
    fed.put("100", "102")
    fed.give_up(shard=GONE)
    fed.put("100")
    fed.poller().poll()
    (done,) = fed.replay()
    assert (done.came, done.events, fed.told()) == ("replayed", 0, [("100", "102"), ("102", "100")])


def test_an_item_that_moves_during_the_look_is_left_to_its_record(fed: Fed) -> None:
    fed.put("100")
    poller = fed.poller()
    poller.poll()
    fed.put("102")
    fed.give_up(shard=GONE)
    (done,) = fed.replay(meanwhile=poller.poll)
    assert (done.came, done.events, fed.told()) == ("replayed", 0, [("100", "102")])
    assert "watch tvl: 1 of its entities moved meanwhile: the stream tells" in done.unknown


def test_a_table_is_not_judged_while_who_reads_its_stream_is_behind(fed: Fed) -> None:
    fed.put("100", "102")
    fed.give_up(shard=GONE)
    now = datetime.now(UTC).timestamp()
    fed.store.hset(progress_key(fed.table, LAMBDA), mapping={"arrived_at": now - 90, "handled_at": now})
    (done,) = fed.replay()
    assert (done.came, "who reads it is 90 s behind" in done.why, fed.left()) == ("waiting", True, 1), done.why


def test_a_historys_samples_behind_the_newest_judged_are_judged_in_order(fed: Fed) -> None:
    fed.table = create_table(fed.dynamodb, "protocol", "at")
    history: dict[str, Any] = {"shape": "history", "columns": COLUMNS | {"changed_at": "at"}}
    put(fed.dynamodb, fed.table, "lido", "100", at="2024-01-01T00:00:00Z")
    fed.poller(**history).poll()
    for day, value in (("03", "108"), ("02", "104")):
        put(fed.dynamodb, fed.table, "lido", value, at=f"2024-01-{day}T00:00:00Z")
    fed.give_up(shard=GONE)
    (done,) = fed.replay(**history)
    assert (done.came, fed.told()) == ("replayed", [("100", "104"), ("104", "108")]), done.why


def test_a_record_that_could_not_be_read_is_done_once_the_settings_fit(fed: Fed, command: Command) -> None:
    fed.dynamodb.put_item(
        TableName=fed.table,
        Item={"protocol": {"S": "lido"}, "chain": {"S": "base"}, "tvl_usd": {"S": "n/a"}, "usd": {"N": "7"}},
    )
    fed.poller().poll()
    (letter,) = json_lines(command("dlq", "list", "--config", str(fed.config()), "--json"))
    assert (letter["what"], letter["origin"], letter["table"]) == ("record", "redis", fed.table)
    stays = command("dlq", "retry", letter["id"], "--config", str(fed.config()))
    assert (stays.code, "stays, refused: watch tvl: attribute tvl_usd is not a number" in stays.err) == (1, True)
    done = command("dlq", "retry", "--all", "--config", str(fed.config(value="usd")))
    assert (done.code, done.out) == (0, "Letters: 1 replayed. 1 record, 0 events.\n"), done.err
    assert fed.store.llen("rtp:dead-letters") == 0


def test_an_event_that_a_queue_refused_is_sent_again(fed: Fed, command: Command) -> None:
    fed.put("100", "102")
    fed.poller().poll()
    assert fed.alerted() == ["102"]
    entries: Any = fed.store.xrange("rtp:stream")
    event = json.loads(entries[0][1][b"event"])
    again = json.dumps(event | {"id": f"{event['id']}x"})
    RedisLetters(fed.store, "").bury(StreamLetter("SQS refuses it: too large", event=again))
    (letter,) = json_lines(command("dlq", "list", "--entity", "lido", "--config", str(fed.config()), "--json"))
    shown = command("dlq", "show", letter["id"], "--config", str(fed.config()))
    assert "SQS refuses it: too large" in shown.out
    done = command("dlq", "retry", letter["id"], "--config", str(fed.config()), "--json")
    assert (done.code, done.document["came"], done.document["read_from"]) == (0, "replayed", "letter"), done.err


def test_letters_are_dropped_from_every_place_after_asking(fed: Fed, command: Command) -> None:
    RedisLetters(fed.store, "").bury(StreamLetter("broken", record={"eventSourceARN": "arn:x/gone/y"}))
    arguments = ("dlq", "drop", "--error", "broken", "--config", str(fed.config()))
    assert command(*arguments).code == 2
    assert fed.store.llen("rtp:dead-letters") == 1
    assert command(*arguments, "--yes").out == "Letters: 1 dropped.\n"
    assert fed.store.llen("rtp:dead-letters") == 0


def json_lines(done: Done) -> list[Any]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_what_a_mapping_gives_up_while_redis_is_away_is_replayed_whole(
    fed: Fed, deployed: Mapping[str, MappingParameters]
) -> None:
    fed.put("100", "102", "105")
    arn, shard, found = fed.records()
    records = [as_in_lambda(record, arn) for record in found]
    settings = fed.settings()
    away = settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": "redis://127.0.0.1:1"})})
    simulation = Simulation(
        away,
        replace(deployed["tvl"], oldest_seconds=600),
        begins_at=records[0]["dynamodb"]["ApproximateCreationDateTime"],
    )
    simulation.mapping.shard, simulation.mapping.on_failure = shard, lambda letter: fed.send(json.dumps(letter))
    simulation.mapping.run(records)
    assert {done.came for done in fed.replay()} == {"replayed"}
    assert (fed.told(), fed.alerted(), fed.left()) == ([("100", "102"), ("102", "105")], ["102", "105"], 0)


def test_an_alert_that_no_consumer_deleted_goes_back_into_its_queue(fed: Fed, command: Command) -> None:
    dead = f"dead-{fed.alerts}"
    url = fed.sqs.create_queue(QueueName=dead, Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = fed.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    alerts = fed.sqs.get_queue_url(QueueName=fed.alerts)["QueueUrl"]
    fed.sqs.set_queue_attributes(QueueUrl=alerts, Attributes={"RedrivePolicy": policy})
    body = json.dumps({"id": "1", "data": {"kind": "tvl", "chain": "base", "entity": "lido", "current": "102"}})
    fed.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="base:lido", MessageDeduplicationId="1")
    (letter,) = json_lines(command("dlq", "list", "--sink", "sqs", "--config", str(fed.config()), "--json"))
    assert (letter["what"], letter["entity"], letter["place"]) == ("alert", "lido", dead)
    assert command("dlq", "retry", "--sink", "sqs", "--config", str(fed.config())).code == 0
    assert fed.alerted() == ["102"]


def test_a_queue_that_is_not_there_is_one_clear_line(fed: Fed, command: Command) -> None:
    done = command("replay", "--failures", "nowhere", "--config", str(fed.config()))
    assert (done.code, len(done.err.splitlines()), "find no queue nowhere" in done.err) == (2, 1, True)
