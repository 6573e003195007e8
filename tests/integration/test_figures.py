"""What CloudWatch is told of a running rtp, as lines of its log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from core.settings.models import EmfSettings, Settings
from tests.monitored import HASTY, Start, eventually
from tests.rtp_process import environ_of
from tests.tvl_table import write

if TYPE_CHECKING:
    import psycopg

    from core.stack import EmbeddedStack
    from tests.command import Command


@pytest.fixture
def told(settings: Settings) -> Settings:
    """Settings under which CloudWatch is told every 0.2 s."""
    return settings.model_copy(update={"emf": EmfSettings(namespace="rtp", interval_seconds=0.2)})


def test_a_sink_that_is_away_shows_in_its_lag_and_its_circuit(
    start: Start, told: Settings, writer: psycopg.Connection, stack: EmbeddedStack
) -> None:
    running = start(told, breaker=HASTY)
    write(writer, 100, 200)
    eventually(lambda: sum(json.loads(line).get("Delivered", 0) for line in list(running.figures)) == 2)
    assert (running.figure("Leaders"), running.figure("DeadLettersKept", Sink="sqs")) == (1, 0)
    stack.redis.pause()
    try:
        write(writer, 400, 800)
        eventually(lambda: running.figure("OpenCircuits", Service="Redis") == 1)
        eventually(lambda: (running.figure("SinkLagSeconds", Sink="redis") or 0) > 0)
        eventually(lambda: running.figure("SinkLagEvents", Sink="sqs") == 0)
    finally:
        stack.redis.resume()
    eventually(
        lambda: (
            (running.figure("SinkLagEvents", Sink="redis"), running.figure("OpenCircuits", Service="Redis")) == (0, 0)
        )
    )


def test_dead_letters_and_watches_that_miss_writes_show(
    start: Start, told: Settings, writer: psycopg.Connection
) -> None:
    writer.execute(
        "INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts) VALUES ('redis', 1, '{}', 'bad', 1)"
    )
    running = start(told)
    eventually(lambda: running.figure("DeadLettersKept", Sink="redis") == 1)
    assert running.figure("UnarmedWatches") == 0
    writer.execute("ALTER TABLE tvl DISABLE TRIGGER ALL")
    eventually(lambda: running.figure("UnarmedWatches") == 1)
    eventually(lambda: running.figure("Ready") == 0)


def test_without_a_namespace_nothing_is_written(start: Start, settings: Settings) -> None:
    running = start(settings)
    eventually(lambda: running.ready()[0] == 200)
    assert running.figures == []


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_rtp_run_writes_them_to_its_log_as_lines_of_their_own(
    command: Command, settings: Settings, log_format: str
) -> None:
    environ = environ_of(settings) | {"RTP_EMF_NAMESPACE": "team", "RTP_LOG_FORMAT": log_format}
    done = command("run", "--for", "2s", environ=environ)
    told = [json.loads(line) for line in done.err.splitlines() if line.startswith('{"_aws"')]
    assert {one["_aws"]["CloudWatchMetrics"][0]["Namespace"] for one in told} == {"team"}
    assert any("Leaders" in one for one in told)
