"""The real handler behind a simulated event source mapping, on a clock of its own."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis

from core.handler.build import build_processor
from loadtests.benchmarks.handler.function import LambdaFunction
from loadtests.benchmarks.handler.kills import End, Kills
from loadtests.benchmarks.handler.mapping import EventSourceMapping, SimulatedClock
from loadtests.benchmarks.handler.mapping_parameters import MappingParameters, read_parameters
from tests.assembly import TABLES
from tests.dynamodb import NOON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from core.handler.outcome import BatchOutcome
    from core.settings.models import Settings


def deployed_parameters(assembly: Path) -> Mapping[str, MappingParameters]:
    """Each watch's mapping, as the synthesised template has it."""
    template = json.loads((assembly / "rtp-streams.template.json").read_text(encoding="utf-8"))
    found, resources = {}, template["Resources"]
    for resource in resources.values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Lambda::EventSourceMapping" and "StreamArn" in str(properties["EventSourceArn"]):
            table = resources[properties["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]["TableName"]
            found[table] = read_parameters(properties)
    return {watch: found[table] for watch, table in TABLES.items()}


class Simulation:
    """A mapping, the handler, and what the handler told of its batches. `when` decides where a process ends."""

    def __init__(
        self,
        settings: Settings,
        parameters: MappingParameters,
        *,
        random: Random | None = None,
        when: Callable[[], End | None] = lambda: None,
        begins_at: float = NOON.timestamp(),
        tick_seconds: float = 60,
    ) -> None:
        self.clock = SimulatedClock(begins_at)
        self.outcomes: list[BatchOutcome] = []
        self.failures: list[Any] = []
        self.function = LambdaFunction(lambda: build_processor(settings, clock=self.clock), self.outcomes.append)
        servers = (settings.redis.url, settings.sqs.endpoint_url)
        self.kills = Kills(self.function, when, {urlsplit(url).port or 0 for url in servers if url})
        self.mapping = EventSourceMapping(
            parameters,
            self.kills,
            self.clock,
            random or Random(18),
            on_failure=self.failures.append,
            tick_seconds=tick_seconds,
        )

    def run(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hand the records over, and go on for a minute and its tick."""
        with self.kills.watched():
            self.mapping.run(records, seconds_more=61)

    def set_aside(self) -> int:
        """How many changes moved nothing."""
        return sum(outcome.set_aside.total() for outcome in self.outcomes)


def published(redis_url: str) -> list[Any]:
    """The events in the order in which they were published."""
    with redis.Redis.from_url(redis_url) as client:
        entries: Any = client.xrange("rtp:stream")
    return [json.loads(entry[b"event"]) for _, entry in entries]
