"""A bad day for the handler: processes that end at any step, Redis away, a queue that is missing, SQS that throttles.

All of it happens by a simulated clock, so minutes cost what is done in them. Redis and SQS are real; they are reached
through a proxy that can be cut and a gateway that can refuse.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.handler.build import build_processor
from loadtests.benchmarks.handler.function import LambdaFunction
from loadtests.benchmarks.handler.kills import End, Kills
from loadtests.benchmarks.handler.mapping import EventSourceMapping, SimulatedClock
from loadtests.benchmarks.handler.mapping_parameters import MappingParameters
from loadtests.shared.gateway import Gateway, Mood
from loadtests.shared.proxy import TcpProxy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from core.settings.models import Settings

DEPLOYED = MappingParameters(
    batch_records=100, factor=10, oldest_seconds=23 * 3600, bisects=True, reports_failures=True
)
_KILLED = 0.01
_COME_AGAIN = 0.05
_SLOWEST_SECONDS = 5.0  # lanes gather what arrives meanwhile
_SECONDS_AFTER = 600.0
# When something begins and ends, in parts of the time that the records take to arrive.
_REDIS_AWAY, _QUEUE_MADE, _THROTTLED = (0.2, 0.5), 0.6, (0.65, 0.8)


@dataclass(frozen=True)
class BadDay:
    """What happened: how often a process ended, how many invocations there were, and what Lambda gave up."""

    kills: int
    invocations: int
    given_up: int


def process_on_a_bad_day(
    settings: Settings, records: Sequence[dict[str, Any]], chance: random.Random, *, make_queue: Callable[[], object]
) -> BadDay:
    """Hand all records over, and wait until nothing is left to do. `make_queue` makes the queue that is missing."""
    begin, end = (record["dynamodb"]["ApproximateCreationDateTime"] for record in (records[0], records[-1]))
    redis_port, sqs_port = (urlsplit(url or "").port or 0 for url in (settings.redis.url, settings.sqs.endpoint_url))
    with closing(TcpProxy(redis_port)) as proxy, closing(Gateway(sqs_port, lambda _: None, chance)) as gateway:
        there = _through(settings, {redis_port: proxy.port, sqs_port: gateway.port})
        clock = SimulatedClock(begin)
        function = LambdaFunction(lambda: build_processor(there, clock=clock))
        kills = Kills(function, lambda: _end(chance), {proxy.port, gateway.port})
        given_up = list[Any]()
        mapping = EventSourceMapping(DEPLOYED, kills, clock, chance, _SLOWEST_SECONDS, on_failure=given_up.append)
        mapping.repeated = _COME_AGAIN

        def set_mood(mood: Mood) -> None:
            gateway.mood = mood

        def at(part: float, act: Callable[[], object]) -> None:
            mapping.at(begin + part * (end - begin), act)

        at(_REDIS_AWAY[0], proxy.cut)
        at(_REDIS_AWAY[1], proxy.reopen)
        at(_QUEUE_MADE, make_queue)
        at(_THROTTLED[0], lambda: set_mood(Mood.THROTTLED))
        at(_THROTTLED[1], lambda: set_mood(Mood.WELL))
        with kills.watched():
            mapping.run(records)
        function.end()  # a queue that failed is left alone by the clock of the process, which is no simulated one
        mapping.run((), seconds_more=_SECONDS_AFTER)
    return BadDay(kills.count, mapping.invocations, len(given_up))


def _end(chance: random.Random) -> End | None:
    return chance.choice(list(End)) if chance.random() < _KILLED else None


def _through(settings: Settings, ports: dict[int, int]) -> Settings:
    """The same services, at other ports."""
    urls = {"redis": settings.redis.url or "", "sqs": settings.sqs.endpoint_url or ""}
    for name, url in urls.items():
        port = urlsplit(url).port or 0
        urls[name] = url.replace(f":{port}", f":{ports[port]}")
    redis = settings.redis.model_copy(update={"url": urls["redis"]})
    sqs = settings.sqs.model_copy(update={"endpoint_url": urls["sqs"]})
    return settings.model_copy(update={"redis": redis, "sqs": sqs})
