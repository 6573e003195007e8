"""`rtp run --source dynamodb --http`: metrics and probes tell how the poller fares."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis

from cli.logs import report
from core.errors import ServiceUnavailable
from core.handler.build import build_poller
from core.monitor.stream_monitor import StreamMonitor
from core.services.circuit import CircuitBreaker
from core.settings.models import HttpSettings
from core.sinks.settings import load_settings
from tests.eventually import eventually
from tests.fed import create_table, fed_document, put, write_config
from tests.rtp_process import rtp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.settings.models import Settings
    from core.stack import EmbeddedStack


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> str:
    return create_table(dynamodb)


@pytest.fixture
def settings(cloud: EmbeddedStack, table: str, tmp_path: Path) -> Settings:
    with redis.Redis.from_url(cloud.addresses.redis_url) as store:
        store.flushall()
    document = fed_document(cloud, table, "not-there.fifo") | {"http": {"listen": "127.0.0.1:0"}}
    document["run"] = {"circuit_breaker": {"failures": 1, "open_seconds": 60}}
    return load_settings(write_config(tmp_path, document), environ={}, options={})


def unheard(settings: Settings) -> Settings:
    """The same without a server."""
    return settings.model_copy(update={"http": HttpSettings()})


@contextmanager
def closing_by(stop: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    finally:
        stop()


def asked(url: str) -> tuple[int, str]:
    parts = urlsplit(url)
    client = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        client.request("GET", parts.path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    finally:
        client.close()


@pytest.fixture
def circuit(settings: Settings) -> CircuitBreaker:
    return CircuitBreaker("The streams' source", settings.run.circuit_breaker, on_problem=report)


def test_metrics_and_probes_tell_what_the_poller_did_and_what_waits(
    settings: Settings, circuit: CircuitBreaker, dynamodb: DynamoDBClient, table: str
) -> None:
    poller = build_poller(settings, on_problem=report)
    monitor = StreamMonitor(settings, poller, circuit)
    monitor.start()
    with closing_by(monitor.stop):
        url = str(monitor.url)
        assert asked(f"{url}/readyz")[0] == 503
        put(dynamodb, table, "lido", "100", "102")
        poller.poll()
        poller.tick()
        monitor.turned()
        code, document = asked(f"{url}/readyz")
        assert (code, json.loads(document)["role"]) == (200, "reader")
        assert asked(f"{url}/healthz")[0] == 200
        metrics = asked(f"{url}/metrics")[1]
        delivered = 'rtp_events_delivered_total{kind="tvl",reason="deviation",severity="info",sink="redis"} 1.0'
        assert delivered in metrics
        assert "rtp_stream_records_total 2.0" in metrics
        assert 'rtp_sink_lag_events{sink="sqs"} 1.0' in metrics
        assert f'rtp_stream_lag_seconds{{table="{table}"}}' in metrics
        poller.troubles.met("table other", "DynamoDB", "there is no such table")
        eventually(lambda: '"failing", "subject": "table other"' in asked(f"{url}/readyz")[1], within_seconds=10)


def test_a_source_that_is_away_is_why_it_is_not_ready_and_no_reason_to_be_killed(
    settings: Settings, circuit: CircuitBreaker
) -> None:
    poller, settings = build_poller(settings, on_problem=report), unheard(settings)
    monitor = StreamMonitor(settings, poller, circuit, clock=iter(range(0, 10**9, 1000)).__next__)
    circuit.failed(ServiceUnavailable("DynamoDB", "http://dynamodb", "no answer"))
    (reason,) = [one for one in monitor.hindrances() if one.reason == "circuit open"]
    assert reason.subject == "The streams' source"
    assert monitor.threads() == {"streams": True}


def test_a_loop_that_is_stuck_is_dead(settings: Settings, circuit: CircuitBreaker) -> None:
    poller, settings = build_poller(settings, on_problem=report), unheard(settings)
    monitor = StreamMonitor(settings, poller, circuit, clock=iter(range(0, 10**9, 1000)).__next__)
    monitor.turned()
    assert monitor.threads() == {"streams": False}
    assert [one.reason for one in monitor.hindrances()] == ["stalled"]


def test_the_command_says_where_it_answers(dynamodb: DynamoDBClient, settings: Settings, tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "rtp", "AWS_SECRET_ACCESS_KEY": "rtp"}
    arguments = ("run", "--source", "dynamodb", "--config", str(tmp_path / "rtp.yaml"), "--http", "127.0.0.1:0")
    with rtp(*arguments, environ=keys) as process:
        process.wait_for("HTTP http://127.0.0.1:")
