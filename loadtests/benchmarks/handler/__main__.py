"""The handler on a bad day, and what it costs: real Redis and SQS, no AWS. `make handler` runs it.

First, records of many entities go through a simulated event source mapping while processes are killed, batches come
again, Redis is away for minutes, one queue is missing and SQS throttles. Then every event is looked for: none lost,
none doubled, none out of order. Then batches of 100 are timed, and imports.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from core.demo.queue import create_queue
from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.settings.models import Settings
from core.stack import EmbeddedStack
from loadtests.benchmarks.handler.bad_day import process_on_a_bad_day
from loadtests.benchmarks.handler.cost import batch_cost, import_cost
from loadtests.benchmarks.handler.records import make_records
from loadtests.shared.arrivals import Arrivals
from loadtests.shared.sqs_consumer import SqsConsumer, stack_sqs_client
from rtp_client.keys import STREAM
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

    from core.stack import StackAddresses

QUEUE, MISSING = "rtp-alerts.fifo", "rtp-missing.fifo"
ROUTED = "protocol-1"


def main() -> None:
    """Run all of it. Exit code 1 where an event was lost or came out of order."""
    parser = argparse.ArgumentParser(description="Measure the handler on a bad day.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=500)
    parser.add_argument("--significant", type=float, default=0.1, help="share of records that are events")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    records = make_records(arguments.records, arguments.entities, chance, significant=arguments.significant)
    with EmbeddedStack(durable=False) as stack:
        os.environ |= stack.addresses.environ(queue=QUEUE)  # the handler's client finds its credentials there
        settings = _settings(stack.addresses)
        expected = _expected(settings, records)
        sqs = stack_sqs_client(stack.addresses)
        alerts, missing = _Received(sqs, QUEUE), _Received(sqs, MISSING)
        alerts.begin()
        begun = time.monotonic()
        day = process_on_a_bad_day(settings, records, chance, make_queue=missing.begin)
        print(
            f"{len(records):,} records, {day.invocations:,} invocations, {day.kills:,} processes killed, "
            f"{day.given_up} batches given up, {time.monotonic() - begun:.0f} s"
        )
        with redis_client(stack.addresses.redis_url) as client:
            entries: Any = client.xrange(STREAM)
        routed = {entity: values for entity, values in expected.items() if entity.startswith(ROUTED)}
        is_fine = _judge("Redis", [json.loads(entry[b"event"]) for _, entry in entries], expected)
        is_fine &= _judge("SQS", alerts.end(), expected)
        is_fine &= _judge("SQS, the queue that was missing", missing.end(), routed)
        print(batch_cost(settings, make_records(10_000, 5000, chance, significant=0.1)))
    print(import_cost())
    sys.exit(0 if is_fine else 1)


class _Received:
    """What a queue gives to its consumer, from the moment it is made."""

    def __init__(self, sqs: SQSClient, queue: str) -> None:
        self._sqs, self._queue = sqs, queue
        self._documents: list[Any] = []

    def begin(self) -> None:
        """Make the queue, and receive."""
        url = create_queue(self._sqs, self._queue)
        self._consumer = SqsConsumer([self._sqs], url, lambda body, _: self._documents.append(json.loads(body)))
        self._consumer.start()

    def end(self) -> list[Any]:
        """All that came."""
        self._consumer.stop(when_empty=True)
        return self._documents


def _settings(addresses: StackAddresses) -> Settings:
    columns = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"}
    return Settings.model_validate(
        {
            "watches": {"tvl": {"kind": "tvl", "table": "tvl", "columns": columns}},
            "redis": {"url": addresses.redis_url, "stream_max_length": 10_000_000},
            "sqs": {"queue": QUEUE, "endpoint_url": addresses.sqs_endpoint_url, "region": addresses.aws_region},
            "routes": [{"match": {"protocol": f"{ROUTED}*"}, "queue": MISSING}],
            "dynamodb": {"tables": {"tvl": {"table": "tvl"}}},
        }
    )


def _expected(settings: Settings, records: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Which values each entity's events have when nothing goes wrong."""
    url = settings.redis.url or ""
    with redis_client(url) as client:
        client.flushall()
        processor = BatchProcessor(settings, Baselines(settings.redis, url=url), None, bury=print)
        found: dict[str, list[str]] = defaultdict(list)
        for start in range(0, len(records), 500):
            for event in processor.process(records[start : start + 500]).events:
                found[event.data.entity].append(str(event.data.current))
        client.flushall()
    return found


def _judge(title: str, documents: Sequence[Any], expected: Mapping[str, Sequence[str]]) -> bool:
    """Say what was lost, doubled and out of order among these documents. Values only rise: each tells its number."""
    numbers = {entity: {value: n for n, value in enumerate(values, 1)} for entity, values in expected.items()}
    arrivals, strange = Arrivals(title), set[str]()
    for document in documents:
        entity, value = document["data"]["entity"], document["data"]["current"]
        number = numbers.get(entity, {}).get(value)
        if number is None:
            strange.add(entity)
        else:
            arrivals.note(entity, number, int(document["sequence"]))
    written = {entity: len(values) for entity, values in expected.items()}
    found = arrivals.arrived().completeness(written)
    wrong = len(strange) + len(arrivals.behind(written)) + found.phantoms
    print(
        f"{title}: {len(documents):,} events, {found.lost} lost, {found.out_of_order} out of order, "
        f"{found.repeated} doubled, {wrong} entities that differ"
    )
    return not (found.lost or found.out_of_order or wrong)


if __name__ == "__main__":
    main()
