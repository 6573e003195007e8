"""MarketWide-wide moves with real servers: one event, members that say so, and nothing that a crash could change."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.handler.baselines import Baselines
from core.handler.batch import BatchProcessor
from core.handler.build import build_processor
from core.inspection.explainer import explain
from core.kinds import SHIPPED
from core.log.reader import LogReader
from core.log.rows import build_event
from core.routes.matching import Routes
from core.settings.market import MarketWide
from core.settings.models import Settings
from core.settings.routes import route_model
from tests.dynamodb import Table, published, put
from tests.judging import judge_waiting, server_of
from tests.watching import TVL, install, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import redis

    from core.handler.baselines import BaselineMove
    from rtp_client.event import Event

NAMES = ("aave", "curve", "frax", "lido", "maker", "spark")
RULES = {"share": 0.5, "min_entities": 3}


@pytest.fixture
def watched(writer: psycopg.Connection) -> psycopg.Connection:
    """Six protocols that stand at 100 and have been seen."""
    install(writer, tvl={**TVL, "percent": 2, "market": RULES})
    write(writer, dict.fromkeys(NAMES, 100.0))
    judge_waiting(writer)
    return writer


def write(connection: psycopg.Connection, values: dict[str, float]) -> None:
    """Write values in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO public.tvl VALUES ('ethereum', %s, %s, 'llama')"
            " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
            list(values.items()),
        )


def read_events(connection: psycopg.Connection) -> list[Event]:
    """All events of the log, in its order."""
    with closing(LogReader(server_of(connection), "test")) as reader:
        reader.open()
        return [build_event(row, source="/rtp", log_id=reader.log_id) for row in reader.read(100).rows]


def told(events: Sequence[Event]) -> list[tuple[str, str | None]]:
    """The entities that have fired, each with its market-wide move."""
    return sorted((event.data.entity, event.data.market) for event in events if event.data.kind != "market")


def test_one_event_tells_of_the_market_and_members_name_it(watched: psycopg.Connection) -> None:
    write(watched, {"aave": 95, "curve": 94, "frax": 93, "lido": 60, "maker": 99})
    judge_waiting(watched)
    (market, *others) = read_events(watched)
    data = market.data
    assert (market.type, market.subject, market.source) == ("rtp.market.moved", "all/tvl", "/rtp/tvl")
    assert (data.previous, data.current, data.change_pct, data.direction) == ("100", "93", "-7", "down")
    assert (data.moved_entities, data.watched_entities) == (4, 6)
    assert [mover.entity for mover in data.largest or ()] == ["lido", "frax", "curve", "aave"]
    assert told(others) == [("aave", market.id), ("curve", market.id), ("frax", market.id), ("lido", None)]


def test_what_is_remembered_outlives_the_judge(watched: psycopg.Connection) -> None:
    write(watched, {"aave": 95, "curve": 95})
    judge_waiting(watched)
    write(watched, {"frax": 95, "lido": 95})
    judge_waiting(watched)
    write(watched, {"maker": 95})
    judge_waiting(watched)
    events = read_events(watched)
    (market,) = [event.id for event in events if event.data.kind == "market"]
    assert told(events) == [("aave", None), ("curve", None), ("frax", market), ("lido", market), ("maker", market)]


def test_events_and_what_is_remembered_are_written_as_one(watched: psycopg.Connection) -> None:
    write(watched, dict.fromkeys(NAMES, 95.0))
    watched.execute("ALTER TABLE rtp.market ADD CONSTRAINT full_disk CHECK (watch < 0)")
    with pytest.raises(psycopg.errors.CheckViolation):
        judge_waiting(watched)
    assert read_events(watched) == []
    watched.execute("ALTER TABLE rtp.market DROP CONSTRAINT full_disk")
    judge_waiting(watched)
    assert len(read_events(watched)) == 1 + len(NAMES)


def test_an_explanation_names_the_move_that_goes_on(watched: psycopg.Connection) -> None:
    settings = settings_of(tvl={**TVL, "percent": 2, "market": RULES})
    (calm,) = explain(watched, settings, "tvl", "lido", None)
    write(watched, dict.fromkeys(NAMES, 95.0))
    judge_waiting(watched)
    (found,) = explain(watched, settings, "tvl", "lido", None)
    assert calm.market is None
    assert found.market is not None
    assert found.market.event_id == read_events(watched)[0].id


def test_routes_can_leave_members_out(watched: psycopg.Connection) -> None:
    write(watched, {"aave": 95, "curve": 94, "frax": 93, "lido": 60})
    judge_waiting(watched)
    routes = routes_of({"market": False}, {"market": True}, {"kind": "market", "watch": "tvl"})
    reached = {event.data.entity: routes.channels(event.data) for event in read_events(watched)}
    assert reached == {"tvl": ["c0", "c2"], "aave": ["c1"], "curve": ["c1"], "frax": ["c1"], "lido": ["c0"]}


def routes_of(*matches: dict[str, Any]) -> Routes:
    routes = [{"match": match, "channel": f"c{number}"} for number, match in enumerate(matches)]
    return Routes(Settings.model_validate({"watches": {"tvl": TVL}, "routes": routes}))


# DynamoDB


@pytest.fixture
def streamed(aws: Settings) -> Settings:
    """The same rules for a stream, whose queue gets no members."""
    watch = aws.watches["tvl"].model_copy(update={"market": MarketWide.model_validate(RULES)})
    route = route_model(SHIPPED).model_validate({"match": {"market": False}, "queue": aws.sqs.queue})
    return aws.model_copy(update={"watches": {**aws.watches, "tvl": watch}, "routes": (route,)})


def test_a_stream_tells_of_the_market_once_whatever_comes_again(
    streamed: Settings, tvl: Table, store: redis.Redis, received: Callable[[], list[Any]]
) -> None:
    processor = build_processor(streamed)
    processor.process([put(tvl, "100", name) for name in NAMES])
    fall = [put(tvl, value, name) for name, value in zip(NAMES, ("95", "94", "93", "60"), strict=False)]
    market, *others = sorted(processor.process(fall).events, key=lambda event: event.sequence)
    again = processor.process(fall)
    assert (again.events, again.notes["repeated"]) == ([], 4)
    assert (market.type, market.data.change_pct, market.data.watched_entities) == ("rtp.market.moved", "-7", 6)
    assert told(others) == [("aave", market.id), ("curve", market.id), ("frax", market.id), ("lido", None)]
    assert len(published(store)) == 5
    assert store.hget("rtp:cache:market:all:tvl", "sequence") == market.sequence
    assert store.hget("rtp:cache:tvl:ethereum:aave", "sequence") is not None
    assert sorted(alert["data"]["entity"] for alert in received()) == ["lido", "tvl"]


class Crash(Exception):
    """The end of a process."""


class DyingBaselines(Baselines):
    """Ends the process before it moves an entity."""

    def commit(self, moves: Sequence[BaselineMove], *, at: datetime) -> list[bool]:
        if any(move.now.market is None for move in moves):
            raise Crash
        return super().commit(moves, at=at)


def test_a_crash_between_the_market_and_its_members_changes_nothing(
    streamed: Settings, tvl: Table, store: redis.Redis
) -> None:
    build_processor(streamed).process([put(tvl, "100", name) for name in NAMES])
    fall = [put(tvl, "95", name) for name in NAMES]
    dying = DyingBaselines(streamed.redis, url=streamed.redis.url or "", counted=["tvl"])
    with pytest.raises(Crash):
        BatchProcessor(streamed, dying, None, bury=print).process(fall)
    build_processor(streamed).process(fall)
    market, *others = published(store)
    assert [event["data"]["market"] for event in others] == [market["id"]] * len(NAMES)
