"""One history through the PostgreSQL triggers and through the DynamoDB handler: the same events come out, one by one.

The handler gets its records in random batches, many of them twice, and then as the deployed event source mapping hands
them over, to processes that are killed. Each seed is another watch with other rules.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.handler.build import build_processor
from core.log.reader import LogReader
from core.processor.build import postgres_server
from core.settings.models import Settings
from loadtests.benchmarks.handler.kills import End
from rtp_client.event import Reason, format_time
from tests.dynamodb import Table
from tests.effort import seeds
from tests.judging import judge_until_level, judge_waiting, judging, server_of
from tests.mapped import Simulation
from tests.random_prices import CHAINS, SOURCES, TOKENS, random_agreement, random_price, random_watch
from tests.said import AT, TRUST_AND_FEED, said_with
from tests.watching import install

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from core.detection.testimony import Testimony
    from loadtests.benchmarks.handler.mapping_parameters import MappingParameters

# Its thousands of samples reach nothing that no other test does; followed by coverage they cost half as much again.
pytestmark = pytest.mark.no_cover

ATTRIBUTES = {"changed_at": "time"}
SEEDS = seeds(few=2, many=250)
STEPS = 120
A_CENTURY = timedelta(days=36_525)
NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
SAMPLED = frozenset(Reason) - {Reason.DELETED, Reason.RENAMED, Reason.ADDED, Reason.REMOVED, Reason.CHANGED}
DETAILS = (
    "previous_chain",
    "previous_entity",
    "sources",
    "over_seconds",
    "lowest",
    "direction",
    "moved_entities",
    "watched_entities",
    "largest",
)
Told = dict[tuple[str, str], list[tuple[Any, ...]]]


def told_by_triggers(settings: Settings) -> Told:
    reader = LogReader(postgres_server(settings), "twin")
    reader.open()
    told: Told = defaultdict(list)
    while rows := (chunk := reader.read(1000)).rows:
        reader.advance(chunk)
        for row in rows:
            values = (row.previous, row.current, row.change, row.change_pct, row.reason, row.severity)
            said = said_by(row.reason, format_time(row.changed_at), row.confidence, row.provenance)
            fields = fields_of(json.loads(row.fields) if row.fields else None)
            details = json.loads(row.details or "{}")
            told[row.chain, row.entity].append((*values, *said, fields, *map(details.get, DETAILS)))
    reader.close()
    return told


def told_by_handler(redis_url: str) -> Told:
    told: Told = defaultdict(list)
    with redis.Redis.from_url(redis_url) as client:
        entries: Any = client.xrange("rtp:stream")
    for _, entry in entries:
        data = json.loads(entry[b"event"])["data"]
        values = (data[name] for name in ("previous", "current", "change", "change_pct", "reason", "severity"))
        said = said_by(data["reason"], data["changed_at"], data["confidence"], data["provenance"])
        told[data["chain"], data["entity"]].append((*values, *said, fields_of(data["fields"]), *map(data.get, DETAILS)))
    return told


def said_by(reason: str, changed_at: Any, *said: Any) -> tuple[Any, ...]:
    """What the row said of itself; a deletion's time is the clock's, as is that of rows that have no time."""
    return (changed_at, *said) if reason in SAMPLED else said


def fields_of(fields: Any) -> Any:
    return fields and {name: (step["previous"], step["current"]) for name, step in sorted(fields.items())}


def settings_of(watch: dict[str, Any], redis_url: str, **table: Any) -> Settings:
    return Settings.model_validate(
        {
            "watches": {"samples": watch},
            "redis": {"url": redis_url},
            "dynamodb": {"tables": {"samples": {"table": "samples", "attributes": ATTRIBUTES, **table}}},
        }
    )


def handle(random: Random, settings: Settings, records: Sequence[dict[str, Any]]) -> None:
    """Process the records in random batches, each with a good chance of coming again, whole or from somewhere on."""
    done = 0
    while done < len(records):
        batch = records[done : done + random.choice((1, 3, 10, 40))]
        for _ in range(random.choice((1, 1, 2, 3))):
            assert build_processor(settings).process(batch).failed is None
        if random.random() < 0.3:
            build_processor(settings).process(batch[random.randrange(len(batch)) :])
        done += len(batch)


def handle_as_mapped(
    random: Random,
    settings: Settings,
    records: Sequence[dict[str, Any]],
    parameters: MappingParameters,
    *,
    end: datetime | None = None,
    killed: float = 0.05,
) -> None:
    """Process the records as a mapping sends them, as they come or all up to the end at once.

    `killed` is the chance that a process ends with a thing that it sends. Time alone judges nothing, as it does not for
    the triggers here.
    """
    last = end.timestamp() if end else records[-1]["dynamodb"]["ApproximateCreationDateTime"]
    simulation = Simulation(
        settings,
        parameters,
        random=random,
        when=lambda: random.choice(list(End)) if random.random() < killed else None,
        begins_at=random.choice((NOON.timestamp(), last)),
        tick_seconds=math.inf,
    )
    with simulation.kills.watched():
        simulation.mapping.run(records)
    assert (simulation.failures, simulation.mapping.expired) == ([], [])


def watched_history(writer: psycopg.Connection, watch: dict[str, Any]) -> Table:
    """A history in PostgreSQL that the watch sees, and the same in DynamoDB."""
    columns = f"chain text, token text, price numeric, at timestamptz, {TRUST_AND_FEED}"
    writer.execute(f"CREATE TABLE public.samples ({columns})".encode())
    install(writer, samples=watch)
    return Table("samples", ("chain", "token", "time"))


def item_saying(said: Testimony) -> dict[str, Any]:
    """The attributes of an item that says so of itself."""
    assert said.changed_at is not None
    feed = {"NULL": True} if said.provenance is None else {"S": said.provenance}
    trust = {"NULL": True} if said.confidence is None else {"N": repr(said.confidence)}
    return {"time": said.changed_at.isoformat(), "trust": trust, "feed": feed}


def spelled(price: Decimal | None) -> dict[str, Any]:
    """As text, which keeps digits, NaN and Infinity; a DynamoDB number has 38 digits and is always finite."""
    return {"NULL": True} if price is None else {"S": str(price)}


def expect_the_same(
    connection: psycopg.Connection, installed: Settings, redis_url: str, *ways: Callable[[], None]
) -> None:
    """Whatever way the records take to the handler, it tells what the triggers told."""
    assert connection.execute("SELECT watch, operation, message FROM rtp.trigger_error").fetchall() == []
    theirs = told_by_triggers(installed)
    assert theirs
    for way in ways:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        way()
        ours = told_by_handler(redis_url)
        assert {key: ours[key] for key in ours} == {key: theirs[key] for key in theirs}


@pytest.mark.parametrize("seed", SEEDS)
def test_items_updated_in_place_mean_the_same_to_both(
    writer: psycopg.Connection,
    installed: Settings,
    redis_url: str,
    deployed: Mapping[str, MappingParameters],
    seed: int,
) -> None:
    random = Random(seed)
    watch = random_watch(random, shape="latest", with_clock=False) | {"emit_first": True}
    writer.execute(
        f"CREATE TABLE public.samples (chain text, token text, price numeric, {AT}, {TRUST_AND_FEED},"
        " PRIMARY KEY (chain, token))".encode()
    )
    install(writer, samples=watch)
    table = Table("samples", ("id",))
    recent: dict[str, Decimal | None] = {}
    names: dict[str, tuple[str, str]] = {}
    for _ in range(STEPS):
        chain, token = random.choice(CHAINS), random.choice(TOKENS)
        item = f"{chain}/{token}"
        if item in recent and random.random() < 0.1:
            writer.execute("DELETE FROM samples WHERE (chain, token) = (%s, %s)", names.pop(item))
            judge_waiting(writer)
            table.delete(id=item)
            del recent[item]
            continue
        price = random.choice((recent.get(item), random_price(random, recent.get(item))))
        if item in recent and random.random() < 0.2:
            # No name is ever two items': those come in no order that both would know.
            former, names[item] = (
                names[item],
                random.choice(((chain, token), (chain, f"{token}2"), (f"{chain}2", token))),
            )
            rename = "UPDATE samples SET (chain, token, price) = (%s, %s, %s) WHERE (chain, token) = (%s, %s)"
            writer.execute(rename, [*names[item], price, *former])
        else:
            writer.execute(
                "INSERT INTO samples (chain, token, price) VALUES (%s, %s, %s)"
                " ON CONFLICT (chain, token) DO UPDATE SET price = excluded.price",
                [*names.setdefault(item, (chain, token)), price],
            )
        recent[item] = price
        named = {"chain": {"S": names[item][0]}, "token": {"S": names[item][1]}}
        item_now: dict[str, Any] = {**named, "price": spelled(price), **item_saying(said_with(price))}
        table.put(id=item, **item_now)
    judge_waiting(writer)
    settings = settings_of(watch, redis_url)
    expect_the_same(
        writer,
        installed,
        redis_url,
        lambda: handle(random, settings, table.records),
        lambda: handle_as_mapped(random, settings, table.records, deployed["prices"]),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_means_the_same_to_both(
    writer: psycopg.Connection,
    installed: Settings,
    redis_url: str,
    deployed: Mapping[str, MappingParameters],
    seed: int,
) -> None:
    random = Random(seed)
    watch = random_watch(random, shape="history", with_clock=True) | {"emit_first": True}
    table = watched_history(writer, watch)
    recent: dict[tuple[str, str], Decimal | None] = {}
    clock = NOON
    with judging(server_of(writer)) as (log, session):
        for _ in range(STEPS):
            chain, token = key = random.choice(CHAINS), random.choice(TOKENS[:2])
            clock += timedelta(seconds=random.choice((0, 1, 10, 31, 45)))
            at = clock - timedelta(seconds=random.choice((0, 0, 0, 0, 5, 100)))
            if random.random() < 0.05:
                at += A_CENTURY
            price = recent[key] = random_price(random, recent.get(key))
            is_correction = writer.execute(
                "UPDATE samples SET price = %s WHERE (chain, token, at) = (%s, %s, %s)", [price, chain, token, at]
            ).rowcount
            if not is_correction:
                writer.execute("INSERT INTO samples VALUES (%s, %s, %s, %s)", [chain, token, price, at])
            item = item_saying(said_with(price, at))
            table.put(at=clock, chain=chain, token=token, price=spelled(price), **item)
            judge_until_level(log, session)
        session.flush()
    settings = settings_of(watch, redis_url)
    expect_the_same(
        writer,
        installed,
        redis_url,
        lambda: handle(random, settings, table.records),
        lambda: handle_as_mapped(random, settings, table.records, deployed["samples"]),
    )


@pytest.mark.parametrize("seed", seeds(few=2, many=200))
def test_a_history_of_several_sources_means_the_same_to_both(
    writer: psycopg.Connection,
    installed: Settings,
    redis_url: str,
    deployed: Mapping[str, MappingParameters],
    seed: int,
) -> None:
    random = Random(seed)
    watch = random_watch(random, shape="history", with_clock=True) | {"agree": random_agreement(random)}
    watch |= {"columns": watch["columns"] | {"source": "venue"}, "emit_first": True}
    writer.execute(
        f"CREATE TABLE samples (venue text, token text, price numeric, at timestamptz, {TRUST_AND_FEED})".encode()
    )
    watch["columns"]["chain"] = {"const": "base"}
    install(writer, samples=watch)
    table = Table("samples", ("token", "venue", "time"))
    recent: dict[str, Decimal | None] = {}
    clock = NOON
    with judging(server_of(writer)) as (log, session):
        for _ in range(2 * STEPS):
            token, venue = random.choice(TOKENS[:2]), random.choice(SOURCES)
            clock += timedelta(seconds=random.choice((1, 5, 15, 31, 90)))
            at = clock - timedelta(seconds=random.choice((0, 0, 0, 45)))
            price = recent[token] = random_price(random, recent.get(token))
            writer.execute("INSERT INTO samples VALUES (%s, %s, %s, %s)", [venue, token, price, at])
            table.put(at=clock, token=token, venue=venue, price=spelled(price), **item_saying(said_with(price, at)))
            judge_until_level(log, session)
        session.flush()
    settings = settings_of(watch, redis_url)
    expect_the_same(
        writer,
        installed,
        redis_url,
        lambda: handle(random, settings, table.records),
        lambda: handle_as_mapped(random, settings, table.records, deployed["samples"]),
    )


@pytest.mark.parametrize("seed", seeds(few=2, many=200))
def test_a_market_wide_move_means_the_same_to_both(
    writer: psycopg.Connection, installed: Settings, redis_url: str, seed: int
) -> None:
    """What one statement writes is one batch of the stream: so far an event tells its members."""
    random = Random(seed)
    market = {
        "share": random.choice((0.3, 0.5)),
        "min_entities": 3,
        "within": random.choice(("30s", "5m")),
        "beyond": 8,
    }
    watch = random_watch(random, shape="history", with_clock=True, plain=True)
    watch |= {"market": market, "emit_first": True, "percent": random.choice((1, 3)), "overrides": []}
    table, clock = watched_history(writer, watch), NOON
    prices = {key: Decimal(100) for key in product(CHAINS[:2], TOKENS)}
    batches: list[list[dict[str, Any]]] = []
    for number in range(40):
        clock += timedelta(seconds=random.choice((1, 5, 31, 400)))
        mood = random.choice((0, 0, -6, 4))
        moving = [key for key in prices if not number or random.random() < random.choice((0.2, 0.9))]
        for key in moving:
            prices[key] += random.choice((mood, mood, mood, random.randint(-15, 9))) if prices[key] > 20 else 90
        columns = [*map(list, zip(*moving, strict=True))] or [[], []]
        writer.execute(
            "INSERT INTO samples SELECT *, %s FROM unnest(%s::text[], %s::text[], %s::numeric[])",
            [clock, *columns, [prices[key] for key in moving]],
        )
        judge_waiting(writer)
        first = len(table.records)
        for chain, token in moving:
            price = prices[chain, token]
            item = item_saying(said_with(price, clock))
            table.put(at=clock, chain=chain, token=token, price=spelled(price), **item)
        batches.append(table.records[first:])
    settings = settings_of(watch, redis_url)

    def handle_batches() -> None:
        for batch in filter(None, batches):
            for _ in range(random.choice((1, 1, 2))):
                assert build_processor(settings).process(batch).failed is None

    expect_the_same(writer, installed, redis_url, handle_batches)


@pytest.mark.parametrize("seed", seeds(few=2, many=40))
def test_a_history_whose_samples_wait_for_earlier_ones_means_the_same_at_factor_ten(
    writer: psycopg.Connection,
    installed: Settings,
    redis_url: str,
    deployed: Mapping[str, MappingParameters],
    seed: int,
) -> None:
    """Samples come in bursts, each judged by the times of its samples: both sides know all of it before they judge.

    The rules are those that time alone does not decide: each batch brings time to the samples that wait.
    """
    random = Random(seed)
    watch = random_watch(random, shape="history", with_clock=False) | {"emit_first": True}
    table = watched_history(writer, watch)
    recent: dict[tuple[str, str], Decimal | None] = {}
    clock = NOON
    with judging(server_of(writer)) as (log, session):
        for _ in range(STEPS // 4):
            clock += timedelta(seconds=random.choice((10, 31, 45)))
            for _ in range(random.choice((1, 3, 8))):
                chain, token = key = random.choice(CHAINS[:2]), random.choice(TOKENS[:1])
                at = clock - timedelta(milliseconds=random.randrange(900), seconds=random.choice((0, 0, 5)))
                price = recent[key] = random_price(random, recent.get(key))
                writer.execute("INSERT INTO samples VALUES (%s, %s, %s, %s)", [chain, token, price, at])
                item = item_saying(said_with(price, at))
                table.put(at=clock, chain=chain, token=token, price=spelled(price), **item)
            judge_until_level(log, session)
        session.flush()
    for chain in CHAINS[:2]:  # what comes later has the last of the others judged, and waits itself
        last = item_saying(said_with(None, clock + timedelta(minutes=1)))
        table.put(at=clock + timedelta(minutes=1), chain=chain, token=TOKENS[0], price=spelled(None), **last)
    settings = settings_of(watch, redis_url, reorder="30s")
    at_ten = replace(deployed["samples"], factor=10)
    expect_the_same(
        writer,
        installed,
        redis_url,
        lambda: handle_as_mapped(random, settings, table.records, at_ten, end=clock, killed=0.01),
    )


FIELDS: dict[str, tuple[Any, ...]] = {
    "name": (None, "Lido", "lido", ""),
    "audits": (None, 2, 3, 0),
    "is_dead": (None, True, False),
}
WORD: dict[str, tuple[Any, ...]] = {"trust": (None, 0.5, 0.25), "feed": (None, "llama", "dune")}
"""What a row says of itself, which is not watched."""


@pytest.mark.parametrize("seed", seeds(few=2, many=50))
def test_metadata_means_the_same_to_both(
    writer: psycopg.Connection,
    installed: Settings,
    redis_url: str,
    deployed: Mapping[str, MappingParameters],
    seed: int,
) -> None:
    random = Random(seed)
    columns = {"protocol": "protocol", "chain": "chain", "confidence": "trust", "provenance": "feed"}
    watch = {"kind": "protocol", "table": "samples", "columns": columns, "watched": list(FIELDS)}
    writer.execute(
        "CREATE TABLE public.samples (protocol text, chain text, name text, audits int, is_dead boolean,"
        " trust float8, feed text, PRIMARY KEY (protocol, chain))"
    )
    install(writer, samples=watch)
    table, names = Table("samples", ("id",)), dict[str, str]()
    held: dict[str, dict[str, Any]] = {}
    for _ in range(STEPS):
        item = random.choice(TOKENS)
        if item in names and random.random() < 0.2:
            writer.execute("DELETE FROM samples WHERE protocol = %s", [names.pop(item)])
            judge_waiting(writer)
            table.delete(id=item)
            continue
        if item in names and random.random() < 0.2:
            former, names[item] = names[item], random.choice((item, f"{item} v2"))
            values = {"name": random.choice(FIELDS["name"])}
            writer.execute(
                "UPDATE samples SET (protocol, name) = (%s, %s) WHERE protocol = %s",
                [names[item], *values.values(), former],
            )
            named = {"protocol": {"S": names[item]}, "name": _attribute(values["name"])}
            held[item] |= named
            table.put(**held[item])
            continue
        protocol = names.setdefault(item, item)
        values = {name: random.choice(choices) for name, choices in (FIELDS | WORD).items()}
        writer.execute(
            "INSERT INTO samples VALUES (%s, 'base', %s, %s, %s, %s, %s) ON CONFLICT (protocol, chain) DO UPDATE SET"
            " (name, audits, is_dead, trust, feed) = (excluded.name, excluded.audits, excluded.is_dead, excluded.trust,"
            " excluded.feed)",
            [protocol, *values.values()],
        )
        attributes: dict[str, Any] = {name: _attribute(value) for name, value in values.items()}
        held[item] = {"id": item, "protocol": protocol, "chain": "base", "type": "protocol", **attributes}
        table.put(**held[item])
        table.put(id=f"{item}'s owner", protocol=f"{protocol}'s owner", chain="base", type="user", **attributes)
    settings = settings_of(watch, redis_url, where={"type": "protocol"})
    assert deployed["protocols"].patterns
    expect_the_same(
        writer,
        installed,
        redis_url,
        lambda: handle(random, settings, table.records),
        lambda: handle_as_mapped(random, settings, table.records, deployed["protocols"]),
    )


def _attribute(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case float():
            return {"N": repr(value)}
    return {"S": value}
