"""The handler behind the event source mapping that is deployed: nothing lost, nothing doubled, in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from core.kinds import SHIPPED
from core.settings.models import Settings, SqsSettings
from core.settings.routes import route_model
from loadtests.benchmarks.handler.bad_day import DEPLOYED
from loadtests.benchmarks.handler.kills import End
from loadtests.shared.proxy import TcpProxy
from tests.assembly import HISTORY, TABLES
from tests.dynamodb import NOON, Table
from tests.faulty_sqs import faulty_sqs
from tests.mapped import Simulation, published
from tests.queue_drain import drain, drain_events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_sqs import SQSClient

    from loadtests.benchmarks.handler.mapping_parameters import MappingParameters
    from tests.conftest import SqsQueue

SAMPLES, EVENTS = 300, 74
pytestmark = pytest.mark.timeout(600)  # most of it waits for the templates, on a machine that may be busy


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


def prices(redis_url: str) -> list[float]:
    return [float(event["data"]["current"]) for event in published(redis_url)]


def test_a_history_behind_the_deployed_mapping_tells_of_every_step(
    redis_url: str, deployed: Mapping[str, MappingParameters]
) -> None:
    simulation = Simulation(history_settings(redis_url), deployed["samples"])
    simulation.run(samples_of_one_token())
    told = prices(redis_url)
    assert (len(told), told == sorted(told), simulation.set_aside()) == (EVENTS, True, 0)


def test_a_history_at_a_factor_that_nothing_makes_up_for_is_seen_to_lose_its_order(
    redis_url: str, deployed: Mapping[str, MappingParameters]
) -> None:
    simulation = Simulation(history_settings(redis_url), replace(deployed["samples"], factor=10))
    simulation.run(samples_of_one_token())
    assert len(prices(redis_url)) < EVENTS
    assert simulation.set_aside() > 0


def test_a_history_at_factor_ten_tells_of_every_step_where_samples_wait_for_earlier_ones(
    redis_url: str, deployed: Mapping[str, MappingParameters]
) -> None:
    simulation = Simulation(history_settings(redis_url, reorder="2s"), replace(deployed["samples"], factor=10))
    simulation.run(samples_of_one_token())
    told = prices(redis_url)
    assert (len(told), told == sorted(told), simulation.set_aside()) == (EVENTS, True, 0)


def test_batches_of_one_entity_that_are_judged_at_once_exclude_one_another(
    redis_url: str, deployed: Mapping[str, MappingParameters]
) -> None:
    """Ten batches of one token's samples at a time, each by a process of its own."""
    parameters = replace(deployed["samples"], factor=10, batch_records=5)
    settings = history_settings(redis_url, reorder="2s")
    simulation = Simulation(settings, parameters, begins_at=NOON.timestamp() + 1)
    simulation.mapping.slowest_seconds = 0
    with ThreadPoolExecutor(10) as pool:
        simulation.mapping.run_all = pool.map
        simulation.mapping.run(samples_of_one_token(), seconds_more=61)
    told = prices(redis_url)
    assert any(outcome.notes["conflict"] for outcome in simulation.outcomes)
    assert (len(told), told == sorted(told), simulation.set_aside()) == (EVENTS, True, 0)


@pytest.fixture
def tvl_settings(redis_url: str, sqs_queue: SqsQueue) -> Settings:
    """A watch of TVL whose alerts all go to one queue."""
    columns = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"}
    return Settings.model_validate(
        {
            "watches": {"tvl": {"kind": "tvl", "table": "tvl", "columns": columns, "percent": 1}},
            "redis": {"url": redis_url},
            "sqs": {"queue": sqs_queue.name, "endpoint_url": sqs_queue.endpoint_url, "region": sqs_queue.region},
            "dynamodb": {"tables": {"tvl": {"table": TABLES["tvl"]}}},
        }
    )


@dataclass
class OnceAt:
    """The end of a process at one step of all that a simulation takes."""

    step: int
    end: End
    taken: int = 0

    def __call__(self) -> End | None:
        self.taken += 1
        return self.end if self.taken == self.step else None


@dataclass
class OnceThen:
    """The end of a process as soon as something is true."""

    is_true: Callable[[], bool]
    has_been: bool = False

    def __call__(self) -> End | None:
        if self.has_been or not self.is_true():
            return None
        self.has_been = True
        return End.BEFORE


def by_entity(events: Sequence[Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event["data"]["entity"], []).append(event["data"]["current"])
    return found


@pytest.mark.parametrize("end", [End.HALFWAY, End.BEHIND])
def test_a_process_may_end_at_any_step(
    tvl_settings: Settings,
    redis_url: str,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
    deployed: Mapping[str, MappingParameters],
    end: End,
) -> None:
    expected, step = dict[str, list[str]](), 0
    while True:
        step += 1
        table, entities = Table(TABLES["tvl"], ("chain", "protocol")), (f"lido-{step}", f"aave-{step}")
        for value in ("100", "102", "102.5", "104"):
            for protocol in entities:
                table.put(chain="base", protocol=protocol, tvl_usd={"N": value})
        simulation = Simulation(tvl_settings, deployed["tvl"], when=OnceAt(step, end))
        simulation.run(table.records)
        expected |= {protocol: ["102", "104"] for protocol in entities}
        if not simulation.kills.count:
            break
    assert step > 6
    assert by_entity(published(redis_url)) == expected
    assert by_entity(drain_events(sqs_client, sqs_queue.url)) == expected


def test_an_outage_of_redis_for_an_hour_loses_nothing(
    tvl_settings: Settings, redis_url: str, deployed: Mapping[str, MappingParameters]
) -> None:
    table = Table(TABLES["tvl"], ("chain", "protocol"))
    for minute in range(60):
        for protocol in ("lido", "aave"):
            value = str(100 * (1 + minute))
            table.put(at=NOON + timedelta(minutes=minute), chain="base", protocol=protocol, tvl_usd={"N": value})
    with closing(TcpProxy(urlsplit(redis_url).port or 0)) as proxy:
        there = redis_url.replace(f":{urlsplit(redis_url).port}", f":{proxy.port}")
        settings = tvl_settings.model_copy(
            update={"redis": tvl_settings.redis.model_copy(update={"url": there}), "sqs": SqsSettings()}
        )
        simulation = Simulation(settings, deployed["tvl"])
        proxy.cut()
        simulation.mapping.at(NOON.timestamp() + 3600, proxy.reopen)
        simulation.mapping.run(table.records)
    values = [str(100 * (1 + minute)) for minute in range(1, 60)]
    assert by_entity(published(redis_url)) == {"lido": values, "aave": values}
    assert simulation.failures == []


def test_no_count_of_retries_ends_what_the_deployed_mappings_try(deployed: Mapping[str, MappingParameters]) -> None:
    assert {parameters.most_retries for parameters in deployed.values()} == {None}


def test_the_benchmarks_mapping_is_the_one_that_is_deployed(deployed: Mapping[str, MappingParameters]) -> None:
    assert replace(deployed["tvl"], factor=DEPLOYED.factor) == DEPLOYED


def test_a_queue_that_is_missing_holds_back_its_own_alert_alone(
    tvl_settings: Settings,
    redis_url: str,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
    deployed: Mapping[str, MappingParameters],
) -> None:
    """Of 1,000 records one is critical, and goes to a queue that somebody has deleted."""
    name = f"gone-{sqs_queue.name}"
    routes = (route_model(SHIPPED).model_validate({"match": {"severity": "critical"}, "queue": name}),)
    table = Table(TABLES["tvl"], ("chain", "protocol"))
    for number in range(1000):
        value = "1000" if number == 505 else "100" if number < 500 else "102"
        table.put(chain="base", protocol=f"protocol-{number % 500}", tvl_usd={"N": value})
    simulation = Simulation(tvl_settings.model_copy(update={"routes": routes}), deployed["tvl"])
    simulation.run(table.records)
    assert len(published(redis_url)) == len(drain(sqs_client, sqs_queue.url)) == 500
    assert not any(outcome.failed for outcome in simulation.outcomes)
    url = sqs_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    simulation.function.end()
    simulation.run([])
    assert [event["data"]["current"] for event in drain_events(sqs_client, url)] == ["1000"]
    assert drain_events(sqs_client, sqs_queue.url) == []
    sqs_client.delete_queue(QueueUrl=url)


def test_a_function_that_is_cut_in_the_middle_of_its_alerts_goes_on_from_there(
    tvl_settings: Settings,
    sqs_client: SQSClient,
    sqs_queue: SqsQueue,
    deployed: Mapping[str, MappingParameters],
) -> None:
    """The alerts of one entity are a request each, as no two of a group are in one; the first 100 come only once."""
    table, requests = Table(TABLES["tvl"], ("chain", "protocol")), 150
    for number in range(requests + 1):
        table.put(chain="base", protocol="lido", tvl_usd={"N": str(2**number)})
    with faulty_sqs(sqs_queue.endpoint_url) as gateway:
        there = tvl_settings.sqs.model_copy(update={"endpoint_url": gateway.url})
        cut = OnceThen(lambda: len(gateway.batches) == 140)
        parameters = replace(deployed["tvl"], batch_records=1000)
        simulation = Simulation(tvl_settings.model_copy(update={"sqs": there}), parameters, when=cut)
        simulation.run(table.records)
    assert simulation.kills.count == 1
    assert len(gateway.batches) < requests + 140 - 100
    assert [event["data"]["current"] for event in drain_events(sqs_client, sqs_queue.url)] == [
        str(2**number) for number in range(1, requests + 1)
    ]
