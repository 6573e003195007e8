"""DynamoDB Streams for real: a table of the embedded endpoint, read by `rtp run --source dynamodb`, and by a Lambda."""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import time
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import redis
import yaml

from cli import foreground
from core.handler.batch import BatchProcessor
from core.handler.build import build_poller
from core.handler.checkpoints import FINISHED, Checkpoints
from core.handler.outcome import BatchOutcome
from core.handler.poller import StreamPoller
from core.sinks.settings import load_settings
from tests.eventually import eventually
from tests.fed import COLUMNS, create_table, fed_document, put, write_config
from tests.rtp_process import rtp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from core.settings.models import Settings
    from core.stack import EmbeddedStack
    from tests.command import Command

AWAY = """
redis: {url: "redis://127.0.0.1:1"}
run: {retry_initial_seconds: 0.01, circuit_breaker: {failures: 2, open_seconds: 60}}
dynamodb: {endpoint_url: "http://127.0.0.1:1", region: us-east-1, tables: {tvl: {table: tvl}}}
watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: p, value: v}}}
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def alerts_client(cloud: EmbeddedStack) -> Iterator[SQSClient]:
    client = boto3.client("sqs", endpoint_url=cloud.addresses.sqs_endpoint_url, region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> str:
    """The name of an empty table with a stream."""
    return create_table(dynamodb)


@pytest.fixture
def queue(alerts_client: SQSClient) -> Iterator[str]:
    name = f"alerts-{uuid.uuid4().hex[:8]}.fifo"
    url = alerts_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    yield url
    alerts_client.delete_queue(QueueUrl=url)


@pytest.fixture
def config(cloud: EmbeddedStack, table: str, queue: str, cloud_store: redis.Redis, tmp_path: Path) -> Path:
    """A settings file for the table, the queue and the Redis."""
    return write_config(tmp_path, fed_document(cloud, table, queue.rpartition("/")[2]))


@pytest.fixture
def settings(config: Path) -> Settings:
    return load_settings(config, environ={}, options={})


def received(client: SQSClient, url: str) -> list[Any]:
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def published(cloud_store: redis.Redis) -> list[Any]:
    entries: Any = cloud_store.xrange("rtp:stream")
    return [json.loads(entry[b"event"]) for _, entry in entries]


def step(document: Any) -> tuple[str, ...]:
    data = document["data"]
    return data["entity"], data["previous"], data["current"], data["reason"]


def test_the_command_delivers_what_the_stream_holds_and_goes_on_where_it_was(
    command: Command,
    dynamodb: DynamoDBClient,
    alerts_client: SQSClient,
    cloud_store: redis.Redis,
    config: Path,
    table: str,
    queue: str,
) -> None:
    put(dynamodb, table, "lido", "100", "100.5", "102")
    arguments = ("run", "--source", "dynamodb", "--config", str(config), "--until-idle")
    done = command(*arguments)
    assert (done.code, json.loads(done.out.splitlines()[-1])) == (
        0,
        {
            **{"records": 3, "events": 1, "dead_letters": 0, "future": 0, "late": 0},
            **{"rejected": 0, "out_of_order": 0},
            "pending_alerts": 0,
        },
    )
    assert [step(alert) for alert in received(alerts_client, queue)] == [("lido", "100", "102", "deviation")]
    put(dynamodb, table, "lido", "105")
    again = command(*arguments, environ={"RTP_EMF_NAMESPACE": "rtp"})
    assert json.loads(again.out.splitlines()[-1])["records"] == 1
    told = [json.loads(line) for line in again.err.splitlines() if line.startswith("{")]
    assert (sum(one.get("Records", 0) for one in told), sum(one.get("Events", 0) for one in told)) == (1, 1)
    assert [step(event)[2] for event in published(cloud_store)] == ["102", "105"]


def test_a_signal_ends_the_command_well(
    dynamodb: DynamoDBClient, config: Path, table: str, cloud: EmbeddedStack
) -> None:
    put(dynamodb, table, "lido", "100", "102")
    keys = {"AWS_ACCESS_KEY_ID": "rtp", "AWS_SECRET_ACCESS_KEY": "rtp"}
    with rtp("run", "--source", "dynamodb", "--config", str(config), environ=keys) as process:
        process.wait_for("watch tvl")
        assert (process.end(signal.SIGTERM), process.err.splitlines()[1:]) == (0, [])
        assert {"records", "events", "dead_letters", "pending_alerts"} <= set(process.documents[-1])


def test_services_that_are_away_are_named_once_and_left_alone_for_a_while(command: Command, tmp_path: Path) -> None:
    config = tmp_path / "away.yaml"
    config.write_text(AWAY, encoding="utf-8")
    done = command("run", "--source", "dynamodb", "--config", str(config), "--for", "1s")
    told = done.err.splitlines()[1:]
    assert told[0].startswith("Redis at redis://127.0.0.1:1 is not reachable")
    assert told[1] == "The streams' source: circuit open after 2 failures in a row, probing every 60 s"
    assert told[2] == "Never reached from the start to the end: The streams' source (streams)."
    assert (done.code, len(told)) == (1, 3)


def test_a_table_that_is_missing_stops_no_other_and_is_named(
    command: Command, dynamodb: DynamoDBClient, cloud_store: redis.Redis, config: Path, table: str
) -> None:
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    gone = f"gone-{table}"
    document["watches"]["gone"] = document["watches"]["tvl"] | {"table": "gone"}
    document["dynamodb"]["tables"] = {"gone": {"table": gone}} | document["dynamodb"]["tables"]
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    put(dynamodb, table, "lido", "100", "102")
    done = command("run", "--source", "dynamodb", "--config", str(config), "--until-idle")
    assert [step(event)[2] for event in published(cloud_store)] == ["102"]
    told = [line for line in done.err.splitlines() if line.startswith((f"table {gone}", "Never reached"))]
    assert [line.partition(" in region")[0] for line in told] == [
        f"table {gone}: there is no DynamoDB table {gone}",
        f"Never reached from the start to the end: DynamoDB (table {gone}).",
    ]
    assert done.code == 1


def test_a_queue_that_is_missing_keeps_no_table_from_being_delivered(
    command: Command,
    dynamodb: DynamoDBClient,
    cloud_store: redis.Redis,
    config: Path,
    table: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foreground, "STUCK_SECONDS", 1.5)
    document, second = yaml.safe_load(config.read_text(encoding="utf-8")), create_table(dynamodb)
    document["watches"]["second"] = document["watches"]["tvl"] | {"table": "second"}
    document["dynamodb"]["tables"]["second"] = {"table": second}
    document["routes"] = [{"match": {"protocol": "lido"}, "queue": f"gone-{table}.fifo"}]
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    put(dynamodb, table, "lido", "100", "102")
    put(dynamodb, table, "aave", "100", "103")
    put(dynamodb, second, "curve", "100", "104")
    done = command("run", "--source", "dynamodb", "--config", str(config), "--until-idle")
    assert {step(event)[2] for event in published(cloud_store)} == {"102", "103", "104"}
    assert json.loads(done.out.splitlines()[-1])["pending_alerts"] == 1
    told, in_the_way = [line for line in done.err.splitlines() if f"gone-{table}.fifo" in line]
    assert told.startswith("alerts or dead letters wait: SQS at ")
    assert in_the_way.startswith("Gave up after 1.5 s in which nothing was delivered. In the way: alerts: SQS at ")
    assert done.code == 1


def test_a_run_until_idle_waits_for_samples_that_wait_for_earlier_ones(
    command: Command,
    dynamodb: DynamoDBClient,
    cloud_store: redis.Redis,
    cloud: EmbeddedStack,
    queue: str,
    tmp_path: Path,
) -> None:
    samples = create_table(dynamodb, "protocol", "time")
    document = fed_document(cloud, samples, queue.rpartition("/")[2], shape="history")
    document["watches"]["tvl"]["columns"] = {**COLUMNS, "changed_at": "time"}
    document["dynamodb"]["tables"]["tvl"]["reorder"] = "2s"
    put(dynamodb, samples, "lido", "102", time="2026-01-01T00:01:00Z")
    put(dynamodb, samples, "lido", "100", time="2026-01-01T00:00:00Z")
    command("run", "--source", "dynamodb", "--config", str(write_config(tmp_path, document)), "--until-idle")
    assert [step(event) for event in published(cloud_store)] == [("lido", "100", "102", "deviation")]


def test_alerts_of_a_queue_that_the_settings_name_no_more_are_not_waited_for(
    settings: Settings, cloud_store: redis.Redis
) -> None:
    cloud_store.hset("rtp:alerts", "gone.fifo", 1)
    cloud_store.zadd("rtp:alerts:gone.fifo", {"rtp:baseline:tvl:base:lido": time.time() * 1_000_000})
    poller = build_poller(settings, on_problem=print)
    poller.tick()
    assert (poller.tally.pending_alerts, any(poller.left)) == (1, False)


def test_dead_letters_that_wait_for_their_queue_are_told_once_and_stay_a_trouble_until_it_is_there(
    settings: Settings, dynamodb: DynamoDBClient, alerts_client: SQSClient, table: str, cloud_store: redis.Redis
) -> None:
    name = f"failures-{table}"
    dynamodb_settings = settings.dynamodb.model_copy(update={"dead_letter_queue": name})
    problems: list[str] = []
    poller = build_poller(
        settings.model_copy(update={"dynamodb": dynamodb_settings}),
        on_problem=lambda problem: problems.append(str(problem)),
    )
    put(dynamodb, table, "x" * 501, "100")
    poller.poll()
    poller.tick()
    assert [trouble.part for trouble in poller.troubles.current()] == ["alerts"]
    url = alerts_client.create_queue(QueueName=name)["QueueUrl"]

    def is_over() -> bool:
        poller.tick()
        return not poller.troubles.current()

    eventually(is_over)
    (told,) = (problem for problem in problems if name in problem)
    assert f"Make it: `aws sqs create-queue --queue-name {name} --region us-east-1`" in told
    assert cloud_store.llen("rtp:dead-letters") == 0
    alerts_client.delete_queue(QueueUrl=url)


def test_a_shard_whose_batch_fails_stops_no_other(
    settings: Settings, dynamodb: DynamoDBClient, table: str, cloud_store: redis.Redis
) -> None:
    second = create_table(dynamodb)
    tables = {"tvl": settings.dynamodb.tables["tvl"], "second": settings.dynamodb.tables["tvl"]}
    tables["second"] = tables["second"].model_copy(update={"table": second})
    watches = settings.watches | {"second": settings.watches["tvl"]}
    dynamodb_settings = settings.dynamodb.model_copy(update={"tables": tables})
    both = settings.model_copy(update={"dynamodb": dynamodb_settings, "watches": watches})
    put(dynamodb, table, "lido", "100", "102")
    put(dynamodb, second, "aave", "100", "102")
    # No hash is kept under this key, so the baseline cannot be moved.
    cloud_store.set("rtp:baseline:tvl:base:lido", "broken")
    problems: list[str] = []
    poller = build_poller(both, on_problem=lambda problem: problems.append(str(problem)))
    poller.poll()
    assert [step(event)[0] for event in published(cloud_store)] == ["aave"]
    (trouble,) = poller.troubles.current()
    assert trouble.part.startswith(f"table {table}, shard ")
    assert [problem.startswith(f"{trouble.part}: Records at shard") for problem in problems] == [True]
    cloud_store.delete("rtp:baseline:tvl:base:lido")
    eventually(lambda: poller.poll() or not poller.troubles.current())
    assert {step(event)[0] for event in published(cloud_store)} == {"aave", "lido"}


def test_a_shard_that_is_gone_is_forgotten_and_told_where_it_was_not_read_to_its_end(
    settings: Settings, dynamodb: DynamoDBClient, table: str, cloud_store: redis.Redis
) -> None:
    stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    Checkpoints(cloud_store).save(stream, "shard-read", FINISHED)
    Checkpoints(cloud_store).save(stream, "shard-half-read", "700000")
    put(dynamodb, table, "lido", "100", "102")
    problems: list[str] = []
    poller = build_poller(settings, on_problem=lambda problem: problems.append(str(problem)))
    poller.poll()
    assert problems == [f"table {table}, shard shard-half-read: it is gone, and was not read to its end"]
    assert set(Checkpoints(cloud_store).read(stream)).isdisjoint({"shard-read", "shard-half-read"})
    assert [step(event)[2] for event in published(cloud_store)] == ["102"]


class Failing(BatchProcessor):
    """Fails once, at the second record."""

    has_failed = False

    def process(self, records: Sequence[Mapping[str, Any]], *, shard: str = "") -> BatchOutcome:
        outcome = super().process(records[:1] if not self.has_failed else records, shard=shard)
        if not self.has_failed:
            self.has_failed = True
            outcome.failed, outcome.causes = records[1]["dynamodb"]["SequenceNumber"], ["on purpose"]
        return outcome


def test_the_poller_goes_back_to_the_first_record_that_failed(
    settings: Settings, dynamodb: DynamoDBClient, table: str, cloud_store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.handler.build.BatchProcessor", Failing)
    put(dynamodb, table, "lido", "100", "102", "104")
    poller: StreamPoller = build_poller(settings, on_problem=print)
    poller.poll()
    assert (poller.tally.records, [trouble.cause[-10:] for trouble in poller.troubles.current()]) == (1, ["on purpose"])
    assert eventually(poller.poll) == 2
    assert poller.troubles.current() == []
    assert [step(event)[2] for event in published(cloud_store)] == ["102", "104"]


def test_a_redis_that_was_emptied_learns_again_how_far_quiet_shards_were_read(
    settings: Settings, dynamodb: DynamoDBClient, table: str, cloud_store: redis.Redis
) -> None:
    put(dynamodb, table, "lido", "100", "102")
    poller = build_poller(settings, on_problem=print)
    poller.poll()
    cloud_store.flushall()
    eventually(lambda: poller.poll() or cloud_store.keys("rtp:checkpoint:*"))
    later = build_poller(settings, on_problem=print)
    assert (later.poll(), published(cloud_store)) == (0, [])


def code_of(packages: Sequence[Path], config: Path) -> bytes:
    """The deployment package: core and rtp_client, and the settings beside them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for package in packages:
            for path in sorted(package.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    packed.write(path, path.relative_to(package.parent))
        packed.write(config, "rtp.yaml")
    return archive.getvalue()


def test_a_lambda_delivers_what_the_stream_brings(
    cloud: EmbeddedStack,
    dynamodb: DynamoDBClient,
    alerts_client: SQSClient,
    cloud_store: redis.Redis,
    config: Path,
    table: str,
    queue: str,
) -> None:
    client = boto3.client("lambda", endpoint_url=cloud.addresses.sqs_endpoint_url, region_name="us-east-1")
    name = f"rtp-{uuid.uuid4().hex[:8]}"
    client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="core.handler.lambda_function.handler",
        Role="arn:aws:iam::000000000000:role/rtp",
        Timeout=30,
        Code={"ZipFile": code_of((ROOT / "core", ROOT / "rtp_client"), config)},
        Environment={"Variables": {"PATH": os.defpath}},
    )
    stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    mapping = client.create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=stream,
        StartingPosition="TRIM_HORIZON",
        BatchSize=100,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    put(dynamodb, table, "lido", "100", "100.5", "102")
    put(dynamodb, table, "aave", "7", "9")
    events = eventually(lambda: found if len(found := published(cloud_store)) == 2 else [], within_seconds=60)
    assert sorted(step(event) for event in events) == [
        ("aave", "7", "9", "deviation"),
        ("lido", "100", "102", "deviation"),
    ]
    alerts = eventually(lambda: received(alerts_client, queue), within_seconds=30)
    assert {alert["id"] for alert in alerts} <= {event["id"] for event in events}
    client.delete_event_source_mapping(UUID=mapping["UUID"])
    client.close()


def test_the_example_consumer_takes_each_alert_once_and_stops_a_group_at_its_failure(
    cloud: EmbeddedStack, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"seen-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    monkeypatch.setenv("SEEN_TABLE", name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.addresses.sqs_endpoint_url)
    alerts = importlib.import_module("infrastructure.consumer.alerts")
    taken: list[str] = []

    def react(event: dict[str, Any]) -> None:
        if event["id"] == "lido-2" and "lido-2" not in taken and not taken.count("tried"):
            taken.append("tried")
            raise RuntimeError("not now")
        taken.append(event["id"])

    monkeypatch.setattr(alerts, "react", react)
    ids = ("lido-1", "lido-2", "aave-1", "lido-3")
    batch = {"Records": [message(event_id) for event_id in ids]}
    failed = alerts.handler(batch, LambdaContext())["batchItemFailures"]
    assert [failure["itemIdentifier"] for failure in failed] == ["lido-2", "lido-3"]
    assert taken == ["lido-1", "tried", "aave-1"]
    assert alerts.handler(batch, LambdaContext()) == {"batchItemFailures": []}
    assert taken == ["lido-1", "tried", "aave-1", "lido-2", "lido-3"]


class LambdaContext:
    function_name = "alerts"
    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:alerts"
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def message(event_id: str) -> dict[str, Any]:
    entity = event_id.split("-", maxsplit=1)[0]
    data = {"kind": "tvl", "chain": "base", "entity": entity, "previous": "1", "current": "2"}
    document = {"id": event_id, "data": data | {"reason": "deviation", "severity": "info"}}
    return {
        "messageId": event_id,
        "body": json.dumps(document),
        "attributes": {"MessageGroupId": f"base:{entity}"},
        "eventSource": "aws:sqs",
    }
