"""Agreement from the row on: what several sources say, through PostgreSQL's log of samples and a stream of DynamoDB."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.settings.models import Settings, postgres_dsn
from tests.dynamodb import NOON, Table
from tests.judging import judge_waiting
from tests.watching import install

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.command import Command

VENUES: dict[str, Any] = {
    "kind": "price",
    "table": "venue_prices",
    "shape": "history",
    "percent": 10,
    "peg": {"value": 1, "deviation_bps": 50},
    "columns": {"chain": "chain", "token": "token", "value": "usd", "changed_at": "at", "source": "venue"},
    "agree": {"sources": 2, "within": "5m"},
}
WORDS = [(1, "binance", "0.99"), (2, "kraken", "0.992"), (3, "kraken", "1"), (4, "binance", "1")]
TOLD = [("depeg", "1", "0.992"), ("repeg", "0.992", "1")]


def write(connection: psycopg.Connection, minute: int, venue: str, usd: str) -> None:
    at = NOON + timedelta(minutes=minute)
    connection.execute("INSERT INTO venue_prices VALUES ('base', 'usdc', %s, %s, %s)", [venue, usd, at])


def test_sources_in_a_table_agree_before_anything_is_reported(
    writer: psycopg.Connection, installed: Settings, command: Command, tmp_path: Path
) -> None:
    writer.execute("CREATE TABLE venue_prices (chain text, token text, venue text, usd numeric, at timestamptz)")
    write(writer, -60, "binance", "0.5")
    install(writer, venues=VENUES)
    config = tmp_path / "rtp.yaml"
    config.write_text(yaml.safe_dump({"watches": {"venues": VENUES}}))
    asked = ["explain", "--kind", "price", "--token", "usdc", "--config", str(config)]
    assert "its sources have not agreed so far" in command(*asked, "--postgres-dsn", postgres_dsn(installed)).out
    write(writer, 0, "binance", "1")
    write(writer, 0, "kraken", "1")
    for word in WORDS:
        write(writer, *word)
        judge_waiting(writer)  # each by a judge of its own, that knows what the one before has written down
    found = writer.execute("SELECT reason, previous::text, current::text FROM rtp.event ORDER BY id").fetchall()
    assert found == TOLD
    (details,) = writer.execute("SELECT details -> 'sources' FROM rtp.event ORDER BY id LIMIT 1").fetchone() or (None,)
    assert details == {"binance": "0.99", "kraken": "0.992"}

    done = command(*asked, "--postgres-dsn", postgres_dsn(installed), "--json")
    (entity,) = done.document["entities"]
    assert [(said["source"], said["value"], said["is_fresh"]) for said in entity["judged"]["sources"]] == [
        ("binance", "1", True),
        ("kraken", "1", True),
    ]
    shown = command(*asked, "--postgres-dsn", postgres_dsn(installed)).out
    assert "binance said 1 at 2024-03-19 12:04:00Z" in shown


def test_sources_in_a_stream_agree_before_anything_is_reported(redis_url: str) -> None:
    settings = Settings.model_validate(
        {
            "watches": {"venues": VENUES},
            "dynamodb": {
                "tables": {"venues": {"table": "venues", "attributes": {"source": "from.venue", "changed_at": "time"}}}
            },
        }
    )
    items = Table("venues", ("token", "time"))

    def record(minute: float, venue: str, usd: str) -> dict[str, Any]:
        at = NOON + timedelta(minutes=minute)
        source: Any = {"M": {"venue": {"S": venue}}}
        return items.put(at=at, chain="base", token="usdc", usd={"N": usd}, time=at.isoformat(), **{"from": source})

    records = [record(0, "binance", "1"), record(0.5, "kraken", "1"), *(record(*word) for word in WORDS)]
    told = []
    for one in records:  # and each record comes twice
        processor = BatchProcessor(
            settings, Baselines(settings.redis, url=redis_url), None, bury=print, clock=lambda: NOON
        )
        told += processor.process([one]).events
        assert processor.process([one]).events == []
    assert [(event.data.reason, event.data.previous, event.data.current) for event in told] == TOLD
    assert told[0].data.sources == {"binance": "0.99", "kraken": "0.992"}


def test_a_disagreement_in_a_stream_is_told_when_its_time_is_up(redis_url: str) -> None:
    agree = {"sources": 2, "within": "1h", "disagree_for": "10m"}
    settings = Settings.model_validate(
        {
            "watches": {"venues": {**VENUES, "agree": agree}},
            "dynamodb": {"tables": {"venues": {"table": "venues", "attributes": {"changed_at": "time"}}}},
        }
    )
    items, clock = Table("venues", ("token", "time")), [NOON]
    processor = BatchProcessor(
        settings, Baselines(settings.redis, url=redis_url), None, bury=print, clock=lambda: clock[0]
    )
    for second, (venue, usd) in enumerate((("binance", "1"), ("kraken", "1"), ("kraken", "0.9"))):
        time = NOON + timedelta(seconds=second)
        record = items.put(at=time, chain="base", token="usdc", usd={"N": usd}, time=time.isoformat(), venue=venue)
        processor.process([record])
    clock[0] = NOON + timedelta(minutes=10)
    assert processor.tick().events == []
    clock[0] = NOON + timedelta(minutes=10, seconds=2)
    (event,) = processor.tick().events
    assert (event.data.reason, event.data.current, event.data.severity) == ("disagreed", "1", "warning")
    assert event.data.sources == {"binance": "1", "kraken": "0.9"}
    assert processor.tick().events == []
