"""The handler under crashes and redelivery, and what it costs: real Redis and SQS, no AWS.

First, records of many entities go through the handler as Lambda would send them: batches in order, each cut short at
random (before or behind the write to Redis, before or behind SQS) and sent again from where it began, or from before.
Then every event is looked for: none lost, none doubled, none out of order. Then batches of 100 are timed, and imports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from decimal import Decimal
from statistics import median
from threading import Event as Signal
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3

from core.handler.alerts import AlertQueue, Alerts
from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.services.sqs_client import sqs_client
from core.settings.models import Settings
from core.sinks import Outcome
from core.sinks.sqs.sink import SqsSink
from core.stack import EmbeddedStack
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.event import Event

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/tvl/stream/2026-01-01T00:00:00.000"
QUEUE = "rtp-alerts.fifo"
_HOW_OFTEN = 0.15


class Crash(Exception):
    """The end of a process, at a random moment."""


class Faulty:
    """Wraps a call of Redis or SQS: sometimes the process ends before it, sometimes behind it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.crashes = 0

    def call(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """The call, perhaps."""
        if self.chance.random() < _HOW_OFTEN:
            self.crashes += 1
            raise Crash
        result = function(*arguments, **options)
        if self.chance.random() < _HOW_OFTEN:
            self.crashes += 1
            raise Crash
        return result


class FaultyBaselines(Baselines):
    """Baselines whose commits and acknowledgements may be the last thing a process does."""

    faults: Faulty

    def commit(self, steps: Any, *, at: Any) -> list[bool]:
        """Commit, perhaps; and perhaps only some of the entities, as a pipeline that is cut off would."""
        some = list(steps)
        if self.faults.chance.random() < _HOW_OFTEN / 2 and len(some) > 1:
            super().commit(some[: self.faults.chance.randrange(len(some))], at=at)
            self.faults.crashes += 1
            raise Crash
        return list(self.faults.call(super().commit, some, at=at))

    def acknowledge(self, versions: Any) -> None:
        """Acknowledge, perhaps."""
        self.faults.call(super().acknowledge, versions)


class FaultySink:
    """SQS, perhaps."""

    name = service = "sqs"
    address = ""
    batch_size = 100
    poll_interval_seconds = 0.0

    def __init__(self, sink: SqsSink, faults: Faulty) -> None:
        self._sink, self._faults, self.epoch = sink, faults, sink.epoch

    def open(self) -> None:
        """Find the queue."""
        self._sink.open()

    def close(self) -> None:
        """Give up connections."""
        self._sink.close()

    def deliver(self, events: Sequence[Event]) -> Outcome:
        """Send, perhaps; and perhaps only a part."""
        if self._faults.chance.random() < _HOW_OFTEN / 2:
            self._sink.deliver(events[: self._faults.chance.randrange(len(events) + 1)])
            self._faults.crashes += 1
            raise Crash
        outcome: Outcome = self._faults.call(self._sink.deliver, events)
        return outcome


def make_records(count: int, entities: int, chance: random.Random, *, significant: float) -> list[dict[str, Any]]:
    """A stream's records: TVL that moves by 2 % now and then, else by a trifle."""
    values = dict[str, Decimal]()
    items = dict[str, dict[str, Any]]()
    records = list[dict[str, Any]]()
    for number in range(count):
        name = f"protocol-{chance.randrange(entities)}"
        factor = Decimal("1.02") if chance.random() < significant else Decimal("1.0001")
        values[name] = (values.get(name, Decimal(1_000_000)) * factor).quantize(Decimal("0.0001"))
        item = {"chain": {"S": "base"}, "protocol": {"S": name}, "tvl_usd": {"N": str(values[name])}}
        body: dict[str, Any] = {
            "Keys": {"chain": {"S": "base"}, "protocol": {"S": name}},
            "NewImage": item,
            "SequenceNumber": str(10**30 + number),
            "ApproximateCreationDateTime": 1_700_000_000 + number,
        }
        if name in items:
            body["OldImage"] = items[name]
        items[name] = item
        records.append({"eventSourceARN": ARN, "eventName": "MODIFY", "dynamodb": body})
    return records


def expected_of(settings: Settings, records: Sequence[dict[str, Any]], redis_url: str) -> dict[str, list[str]]:
    """Which values each entity's events have when nothing goes wrong."""
    with redis_client(redis_url) as client:
        client.flushall()
    processor = BatchProcessor(settings, Baselines(settings.redis, url=redis_url), None, bury=print)
    found: dict[str, list[str]] = defaultdict(list)
    for start in range(0, len(records), 500):
        for event in processor.process(records[start : start + 500]).events:
            found[event.data.entity].append(str(event.data.current))
    with redis_client(redis_url) as client:
        client.flushall()
    return found


class Consumer(Thread):
    """Takes alerts off the queue as they come."""

    def __init__(self, stack: EmbeddedStack) -> None:
        super().__init__(daemon=True)
        self.taken: list[Any] = []
        self.stopping = Signal()
        self._client = boto3.client("sqs", endpoint_url=stack.addresses.sqs_endpoint_url, region_name="us-east-1")
        self._url = self._client.create_queue(
            QueueName=QUEUE,
            Attributes={
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
            },
        )["QueueUrl"]

    def run(self) -> None:
        """Until told to stop, and nothing is left."""
        while True:
            messages = self._client.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
                "Messages", []
            )
            if not messages and self.stopping.is_set():
                return
            self.taken += [json.loads(message["Body"]) for message in messages]
            if messages:
                self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                        for index, message in enumerate(messages)
                    ],
                )


def stress(settings: Settings, stack: EmbeddedStack, records: Sequence[dict[str, Any]], chance: random.Random) -> int:
    """Send all records, with crashes; how many crashes there were."""
    faults = Faulty(chance)
    done = 0
    while done < len(records):
        batch = records[done : done + chance.choice((10, 50, 100, 300))]
        try:
            # A crash takes all of a process's memory along: each attempt is a new processor.
            baselines = FaultyBaselines(settings.redis, url=stack.addresses.redis_url)
            baselines.faults = faults
            sink = FaultySink(SqsSink(settings.sqs, CLIENTS.setdefault("sqs", sqs_client(settings.sqs))), faults)
            alerts = Alerts([AlertQueue(sink, lambda _: True)], baselines, print, max_attempts=10)
            outcome = BatchProcessor(settings, baselines, alerts, bury=print).process(batch)
        except Crash:
            continue
        if outcome.failed is None:
            done += len(batch)
            if chance.random() < 0.05:  # the checkpoint was lost: some come once more
                done = max(0, done - chance.randrange(400))
    return faults.crashes


CLIENTS: dict[str, Any] = {}


def judge(title: str, documents: Sequence[Any], expected: dict[str, list[str]]) -> bool:
    """Say what was lost, doubled and out of order among these documents."""
    told: dict[str, list[str]] = defaultdict(list)
    ids, sequences, doubled, disordered = set[str](), dict[str, str](), 0, 0
    for document in documents:
        entity = document["data"]["entity"]
        doubled += document["id"] in ids
        if document["id"] in ids:
            continue
        ids.add(document["id"])
        disordered += document["sequence"] <= sequences.get(entity, "")
        sequences[entity] = document["sequence"]
        told[entity].append(document["data"]["current"])
    lost = sum(max(0, len(values) - len(told[entity])) for entity, values in expected.items())
    wrong = sum(told[entity] != values for entity, values in expected.items())
    print(
        f"{title}: {len(documents):,} events, {lost} lost, {disordered} out of order, "
        f"{doubled} doubled, {wrong} entities that differ"
    )
    return not (lost or disordered or wrong)


def cost(settings: Settings, records: Sequence[dict[str, Any]], redis_url: str) -> None:
    """Time batches of 100, without SQS."""
    processor = BatchProcessor(settings, Baselines(settings.redis, url=redis_url), None, bury=print)
    times, cpu = list[float](), time.process_time()
    for start in range(0, len(records), 100):
        begun = time.perf_counter()
        processor.process(records[start : start + 100])
        times.append(time.perf_counter() - begun)
    each = (time.process_time() - cpu) / len(records) * 1e3
    print(
        f"batch of 100: median {median(times) * 1e3:.1f} ms, {median(times) * 10:.3f} ms a record, "
        f"p99 {sorted(times)[int(len(times) * 0.99)] * 1e3:.1f} ms; {each:.3f} ms of CPU a record"
    )


def import_ms(module: str, *options: str) -> float:
    """How long the import takes in a process of its own, the best of five; `options` are the interpreter's."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    command = [sys.executable, *options, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs) * 1e3


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=500)
    parser.add_argument("--significant", type=float, default=0.1, help="share of records that are events")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    records = make_records(arguments.records, arguments.entities, chance, significant=arguments.significant)
    with EmbeddedStack(durable=False) as stack:
        os.environ["AWS_ACCESS_KEY_ID"] = stack.addresses.aws_access_key_id
        os.environ["AWS_SECRET_ACCESS_KEY"] = stack.addresses.aws_secret_access_key
        settings = Settings.model_validate(
            {
                "watches": {
                    "tvl": {
                        "kind": "tvl",
                        "table": "tvl",
                        "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"},
                    }
                },
                "redis": {"url": stack.addresses.redis_url, "stream_max_length": 10_000_000},
                "sqs": {
                    "queue": QUEUE,
                    "endpoint_url": stack.addresses.sqs_endpoint_url,
                    "region": "us-east-1",
                },
                "dynamodb": {"tables": {"tvl": {"table": "tvl"}}},
            }
        )
        expected = expected_of(settings, records, stack.addresses.redis_url)
        consumer = Consumer(stack)
        consumer.start()
        begun = time.monotonic()
        crashes = stress(settings, stack, records, chance)
        consumer.stopping.set()
        consumer.join()
        print(f"{len(records):,} records, {crashes:,} crashes, {time.monotonic() - begun:.0f} s")
        with redis_client(stack.addresses.redis_url) as client:
            entries: Any = client.xrange("rtp:stream")
        fine = judge("Redis", [json.loads(entry[b"event"]) for _, entry in entries], expected)
        fine &= judge("SQS", consumer.taken, expected)
        cost(settings, make_records(10_000, 5000, chance, significant=0.1), stack.addresses.redis_url)
    module, uncompiled = "core.handler.lambda_function", ("-B", "-X", "pycache_prefix=/nonexistent")
    print(
        f"import of the Lambda: {import_ms(module):.0f} ms, without bytecode {import_ms(module, *uncompiled):.0f} ms; "
        f"boto3: {import_ms('boto3'):.0f} ms"
    )
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
