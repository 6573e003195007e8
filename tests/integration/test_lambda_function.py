"""The Lambda's function, started from its package and nothing else: what it holds, delivers, and says of itself."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.dynamodb import Table
from tests.lambda_package import Function, Said, function_of, make_package
from tests.queue_drain import drain_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue

CONFIG = """
watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, chain: chain, value: tvl_usd}}}
dynamodb: {tables: {tvl: {table: tvl}}}
"""
TICK = {"rtp": "tick"}
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lambda")
    make_package(folder)
    return folder


@pytest.fixture(scope="module")
def function(package: Path) -> Iterator[Function]:
    with function_of(package) as function:
        yield function


@pytest.fixture
def tvl() -> Table:
    return Table("tvl", ("chain", "protocol"))


@pytest.fixture
def run(function: Function, redis_url: str, sqs_queue: SqsQueue) -> Callable[..., Said]:
    """Invoke the function with events, in an environment as the stack gives it, or with other variables."""
    environ = CREDENTIALS | {
        "RTP_REDIS_URL": redis_url,
        "RTP_SQS_QUEUE": sqs_queue.name,
        "AWS_ENDPOINT_URL": sqs_queue.endpoint_url,
        "RTP_EMF_NAMESPACE": "rtp",
    }

    def run(*events: Any, config: str = CONFIG, **variables: str) -> Said:
        return function.invoke(config, events, environ | variables)

    return run


def batch(table: Table, *values: str) -> dict[str, Any]:
    return {"Records": [table.put(chain="base", protocol="lido", tvl_usd={"N": value}) for value in values]}


def test_the_package_is_small_and_all_that_the_function_needs_is_in_it(
    package: Path, run: Callable[..., Said], tvl: Table, sqs_client: SQSClient, sqs_queue: SqsQueue, redis_url: str
) -> None:
    said = run(batch(tvl, "100", "100.5", "102"), TICK, batch(tvl, "103"))
    assert (said.code, said.errors) == (0, "")
    assert [line["answer"] for line in said.lines if "answer" in line] == [{"batchItemFailures": []}] * 3
    with redis.Redis.from_url(redis_url) as store:
        entries: Any = store.xrange("rtp:stream")
    published = [json.loads(fields[b"event"]) for _, fields in entries]
    assert published == drain_events(sqs_client, sqs_queue.url)
    assert [event["data"]["current"] for event in published] == ["102"]
    assert sum(path.stat().st_size for path in package.rglob("*") if path.suffix != ".pyc") < 30_000_000
    # CloudWatch is told of the first batch and of the tick at once, of the second batch once a minute is over.
    assert (said.values("Records"), said.values("Ticks"), said.values("ColdStarts")) == ([3], [1], [1])
    assert sum(said.values("Events")) == 1


def test_a_dead_letter_is_told_at_once(run: Callable[..., Said], tvl: Table) -> None:
    unreadable = {"Records": [tvl.put(chain="base", protocol="lido", tvl_usd={"S": "many"})]}
    said = run(batch(tvl, "100"), unreadable)
    assert said.values("DeadLetters") == [1]


def test_without_a_namespace_there_are_no_metrics(run: Callable[..., Said], tvl: Table) -> None:
    said = run(batch(tvl, "100"), TICK, RTP_EMF_NAMESPACE="")
    assert said.code == 0
    assert [line for line in said.lines if "_aws" in line] == []


def test_a_settings_error_ends_the_start_with_a_line_that_says_where(run: Callable[..., Said], package: Path) -> None:
    said = run(TICK, config=CONFIG.replace("tvl_usd", "''"))
    assert said.code != 0
    (line,) = said.of("the function cannot start")
    assert line["level"] == "CRITICAL"
    assert line["problem"].startswith(f"{package / 'rtp.yaml'}:2: watches.tvl.columns.value: ")


def test_a_traced_batch_and_its_steps_are_steps_of_the_invocation(
    run: Callable[..., Said], tvl: Table, sqs_queue: SqsQueue
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        address = f"127.0.0.1:{daemon.getsockname()[1]}"
        run(batch(tvl, "1", "2"), _X_AMZN_TRACE_ID="Root=1-a;Parent=b;Sampled=1", AWS_XRAY_DAEMON_ADDRESS=address)
        found: dict[str, Any] = {}
        while "rtp batch" not in found:
            document = json.loads(daemon.recv(65_536).partition(b"\n")[2])
            found[document["name"]] = document
    assert found["rtp batch"]["annotations"] == {"records": 2, "events": 1, "failed": ""}
    assert set(found) == {"Redis: load", "Redis: commit", f"SQS: {sqs_queue.name}", "rtp batch"}


def test_a_function_that_is_woken_from_a_snapshot_connects_anew(
    run: Callable[..., Said], tvl: Table, redis_url: str
) -> None:
    def connections(*events: Any) -> int:
        with redis.Redis.from_url(redis_url) as store:
            before = store.info("stats")["total_connections_received"]
            assert run(*events).code == 0
            return int(store.info("stats")["total_connections_received"] - before)

    first, second = batch(tvl, "1", "2"), batch(tvl, "3")
    assert connections(first, "restored", second) > connections(first, second)
