"""The handler behind the event source mapping that is deployed: nothing lost, nothing doubled, in order."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.handler.build import build_processor
from core.settings.models import Settings
from loadtests.benchmarks.handler.function import LambdaFunction
from loadtests.benchmarks.handler.mapping import EventSourceMapping, SimulatedClock
from loadtests.benchmarks.handler.mapping_parameters import MappingParameters, read_parameters
from tests.assembly import HISTORY, TABLES
from tests.dynamodb import NOON, Table

if TYPE_CHECKING:
    from pathlib import Path

    from core.handler.settlement import BatchOutcome

SAMPLES, EVENTS = 300, 74
pytestmark = pytest.mark.timeout(600)  # most of it waits for the templates, on a machine that may be busy


@pytest.fixture
def deployed(assembly: Path) -> dict[str, MappingParameters]:
    """Each watch's mapping, as the synthesised template has it."""
    template = json.loads((assembly / "rtp-streams.template.json").read_text(encoding="utf-8"))
    found, resources = {}, template["Resources"]
    for resource in resources.values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Lambda::EventSourceMapping" and "StreamArn" in str(properties["EventSourceArn"]):
            table = resources[properties["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]["TableName"]
            found[table] = read_parameters(properties)
    return {watch: found[table] for watch, table in TABLES.items()}


def history_settings(redis_url: str, **dynamodb: Any) -> Settings:
    return Settings.model_validate(
        {
            "watches": {"samples": HISTORY | {"percent": 1}},
            "redis": {"url": redis_url},
            "dynamodb": {"tables": {"samples": {"table": TABLES["samples"], **dynamodb}}},
        }
    )


def samples_of_one_token() -> list[dict[str, Any]]:
    """A price that rises by 2 % now and then, and stands still between; all of it is written within a second."""
    table, price = Table(TABLES["samples"], ("token", "time")), 100.0
    rises = set(Random(18).sample(range(1, SAMPLES), EVENTS))
    for number in range(SAMPLES):
        price *= 1.02 if number in rises else 1
        time = NOON + timedelta(milliseconds=number * 3)
        table.put(at=time, token="usdc", price={"N": f"{price:.6f}"}, time=time.isoformat())
    return table.records


class Simulation:
    """A mapping with the real handler behind it, and what the handler told of its batches."""

    def __init__(self, settings: Settings, parameters: MappingParameters) -> None:
        self.clock = SimulatedClock(NOON.timestamp())
        self.outcomes: list[BatchOutcome] = []
        self.failures: list[Any] = []
        self.function = LambdaFunction(lambda: build_processor(settings, clock=self.clock), self.outcomes.append)
        self.mapping = EventSourceMapping(
            parameters, self.function, self.clock, Random(18), on_failure=self.failures.append
        )

    def set_aside(self) -> int:
        return sum(outcome.set_aside.total() for outcome in self.outcomes)


def told(redis_url: str) -> list[str]:
    """The current value of each event, in the order in which they were published."""
    with redis.Redis.from_url(redis_url) as client:
        entries: Any = client.xrange("rtp:stream")
    return [json.loads(entry[b"event"])["data"]["current"] for _, entry in entries]


def test_a_history_at_a_factor_that_nothing_makes_up_for_is_seen_to_lose_its_order(
    redis_url: str, deployed: dict[str, MappingParameters]
) -> None:
    simulation = Simulation(history_settings(redis_url), replace(deployed["samples"], factor=10))
    simulation.mapping.run(samples_of_one_token())
    assert len(told(redis_url)) < EVENTS
    assert simulation.set_aside() > 0
