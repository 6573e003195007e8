"""Quiet entities of a DynamoDB table: nobody writes to them, their entries expire, and readers find them all the same.

Zipf(1.1) reads while `tick` is called once in two seconds, by a reader that asks the table for what is missing and by
one that has Redis alone. Entries live 30 s.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import boto3

from core.cache.readers import cache_reader
from core.handler.build import build_processor
from core.handler.items import dynamodb_of
from core.settings.models import Settings
from core.stack import EmbeddedStack
from loadtests.benchmarks.cache.load import EXPONENT, TTL_SECONDS
from loadtests.benchmarks.percentiles import percentiles_ms

if TYPE_CHECKING:
    from rtp_client import CacheReader

_TABLE = "quiet"
_TICK_SECONDS = 2
_SHARES = (("p50", 0.5), ("p99", 0.99))


def measure_quiet(entities: int, seconds: int) -> dict[str, Any]:
    """Read for so long with each of the readers, once the first entries have had the time to expire."""
    with EmbeddedStack(durable=False, services=("sqs", "dynamodb", "dynamodbstreams")) as stack:
        os.environ |= stack.addresses.environ(queue="unused.fifo")
        settings = _settings(stack)
        _fill_table(stack, entities)
        stop = threading.Event()
        ticking = threading.Thread(target=_tick, args=(settings, stop))
        ticking.start()
        try:
            with cache_reader(settings, dynamodb=dynamodb_of(settings)) as through, cache_reader(settings) as alone:
                _read(through, entities, TTL_SECONDS)
                return _read(through, entities, seconds, "quiet") | _read(alone, entities, seconds, "redis_alone")
        finally:
            stop.set()
            ticking.join()


def _settings(stack: EmbeddedStack) -> Settings:
    endpoint = {"endpoint_url": stack.addresses.sqs_endpoint_url, "region": "us-east-1"}
    columns = {"protocol": "protocol", "chain": "chain", "value": "tvl"}
    return Settings.model_validate(
        {
            "redis": {"url": stack.addresses.redis_url, "cache_ttl_seconds": TTL_SECONDS},
            "dynamodb": {**endpoint, "tables": {"tvl": {"table": _TABLE}}},
            "watches": {"tvl": {"kind": "tvl", "table": "tvl", "columns": columns}},
        }
    )


def _fill_table(stack: EmbeddedStack, entities: int) -> None:
    client = boto3.client("dynamodb", endpoint_url=stack.addresses.sqs_endpoint_url, region_name="us-east-1")
    client.create_table(
        TableName=_TABLE,
        KeySchema=[{"AttributeName": "protocol", "KeyType": "HASH"}, {"AttributeName": "chain", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("protocol", "chain")],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(entities):
        item: Any = {"protocol": {"S": f"p{number}"}, "chain": {"S": "bench"}, "tvl": {"N": str(number)}}
        client.put_item(TableName=_TABLE, Item=item)
    client.close()


def _tick(settings: Settings, stop: threading.Event) -> None:
    processor = build_processor(settings, reads_tables=True)
    while not stop.wait(_TICK_SECONDS):
        processor.tick()


def _read(reader: CacheReader, entities: int, seconds: int, name: str = "") -> dict[str, Any]:
    chance, found, misses = random.Random(3), Counter[str](), list[float]()
    weights = list(accumulate(1 / rank**EXPONENT for rank in range(1, entities + 1)))
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        entity = chance.choices(range(entities), cum_weights=weights)[0]
        begun = time.perf_counter()
        entry = reader.get("tvl", "bench", f"p{entity}")
        source = "nothing" if entry is None else str(entry.source)
        found[source] += 1
        if source == "database":
            misses.append(time.perf_counter() - begun)
        time.sleep(0.0005)  # the tick shares the interpreter
    figures: dict[str, Any] = {f"{name}_hit_ratio_percent": round(found["cache"] / found.total() * 100, 2)}
    figures |= {f"{name}_reads": found.total()}
    return figures | (percentiles_ms(f"{name}_miss_", misses, _SHARES) if misses else {})
