"""A DynamoDB table holds several kinds of things: each watch gets its own, and Lambda's filters change nothing."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from core.handler.build import build_processor
from core.handler.filters import filter_patterns
from core.settings.models import Settings
from loadtests.benchmarks.handler.event_filtering import passing
from tests.dynamodb import Table, expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

    from rtp_client.event import Event

WATCHES = {
    "prices": {
        "kind": "price",
        "table": "prices",
        "percent": 1,
        "emit_first": True,
        "columns": {"token": "pk", "value": "usd", "chain": "chain"},
    },
    "protocols": {"kind": "protocol", "table": "protocols", "watched": ["name"], "columns": {"protocol": "pk"}},
}
TABLES: dict[str, Any] = {
    "prices": {
        "table": "defi",
        "attributes": {"value": "data.price.usd"},
        "where": [{"type": "price", "data.state": ["live", "paused"]}, {"sk": {"prefix": "SPOT#"}}],
    },
    "protocols": {
        "table": "defi",
        "attributes": {"watched": {"name": "data.title"}},
        "where": {"type": "protocol", "hidden": {"exists": False}},
        "on_ttl": "ignore",
    },
}


def settings_with(redis_url: str) -> Settings:
    return Settings.model_validate({"redis": {"url": redis_url}, "watches": WATCHES, "dynamodb": {"tables": TABLES}})


def random_records(random: Random, steps: int) -> list[dict[str, Any]]:
    """Writes to a few items, which become another kind of thing now and then."""
    table = Table("defi", ("pk", "sk"))
    keys = [("eth", "META"), ("eth", "SPOT#eth"), ("usdc", "META"), ("lido", "META"), ("alice", "META")]
    for _ in range(steps):
        pk, sk = random.choice(keys)
        if (str({"S": pk}), str({"S": sk})) in table.items and random.random() < 0.15:
            gone = table.delete(pk=pk, sk=sk)
            table.records[-1] = expired(gone) if random.random() < 0.5 else gone
            continue
        data = {
            "price": {"M": {"usd": {"N": str(random.randrange(100, 120))}}},
            "state": {"S": random.choice(("live", "live", "paused", "draft"))},
            "title": {"S": random.choice(("Lido", "Aave"))},
        }
        item: dict[str, Any] = {"data": {"M": data}, "type": random.choice(("price", "price", "protocol", "user"))}
        if random.random() < 0.2:
            item["hidden"] = {"BOOL": True}
        table.put(pk=pk, sk=sk, chain="base", **item)
    return table.records


def told(settings: Settings, client: redis.Redis, records: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What the handler tells of these records, by event id. It begins with an empty Redis."""
    client.flushdb()
    processor = build_processor(settings)
    events: list[Event] = []
    for start in range(0, len(records), 25):
        outcome = processor.process(records[start : start + 25])
        assert (outcome.failed, outcome.dead_letters) == (None, [])
        events += outcome.events
    return sorted(
        (event.id, event.data.reason, event.data.previous or "", event.data.current or "", event.deletedby or "")
        for event in events
    )


def test_the_records_that_pass_the_filters_mean_the_same_as_all(redis_url: str, client: redis.Redis) -> None:
    settings = settings_with(redis_url)
    records = random_records(Random(18), steps=400)
    patterns = filter_patterns(settings, "defi")
    passed = list(filter(passing(patterns), records))
    everything = told(settings, client, records)
    reasons = {reason for _, reason, *_ in everything}
    assert {"first_seen", "deviation", "deleted", "added", "changed", "removed"} <= reasons
    assert told(settings, client, passed) == everything
    assert 0 < len(passed) < len(records)
