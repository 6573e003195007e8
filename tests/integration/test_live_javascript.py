"""What rtp.js alone has to see to: a slow loop, a gateway that has fallen silent. And the examples, as they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.eventually import eventually
from tests.followed import node, sequences, with_node
from tests.gateway import serve_settings, serving
from tests.rtp_process import ROOT
from tests.samples import make_event
from tests.scripted_gateway import event, position, scripted, subscribed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.gateway.server import GatewayServer

BOTS = ("bot.py", "bot.mjs")
MANY = 1_500  # more than an iteration holds


@pytest.fixture(scope="module")
def server(module_redis_url: str) -> Iterator[GatewayServer]:
    with serving(serve_settings(module_redis_url)) as running:
        yield running


@pytest.fixture
def sink(redis_url: str) -> Iterator[RedisSink]:
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as made:
        yield made


def test_a_slow_loop_leaves_the_rest_with_the_gateway_and_loses_nothing(server: GatewayServer, sink: RedisSink) -> None:
    sink.deliver([make_event(sequence) for sequence in range(1, MANY + 1)])
    call = [node(), str(ROOT / "tests/follow.mjs"), server.url, json.dumps({"resume": "0"}), "held"]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline()) for _ in range(2)]
        eventually(lambda: "rtp_gateway_subscriptions 0.0" in metrics(server))
        process.stdin.close()
        for line in process.stdout:
            told.append(json.loads(line))
            if len(seen := [int(one["event"]["sequence"]) for one in told if one["type"] == "event"]) == MANY:
                break
        process.kill()
    assert seen == list(range(1, MANY + 1))


def metrics(server: GatewayServer) -> str:
    with urlopen(f"{server.url}/metrics") as answer:  # noqa: S310  (the test's own server)
        text: str = answer.read().decode()
        return text


def test_a_gateway_that_has_fallen_silent_is_left() -> None:
    first, second = [subscribed(), event(1, 1)], [subscribed(1, resumed=True), event(1, 2)]
    with scripted(first, second, ping_seconds=0.1) as (url, gateway), with_node(url) as messages:
        assert sequences(messages, 2) == [1, 2]
    assert gateway.asked[1]["resume"] == position(1)


def test_the_examples_tell_of_pegs_and_go_on_where_they_were(
    server: GatewayServer, sink: RedisSink, tmp_path: Path
) -> None:
    for bot in BOTS:
        (tmp_path / bot).mkdir()
        (tmp_path / bot / "bot.position").write_text("0")
    for number, reason in enumerate(("depeg", "repeg"), start=1):
        sink.deliver([make_event(10 * MANY + number), make_event(11 * MANY + number, kind="price", reason=reason)])
        lines = [first_line_of(bot, server, tmp_path / bot) for bot in BOTS]
        assert lines == [f"lido on ethereum: {reason} at 102.50\n"] * len(BOTS)


def first_line_of(bot: str, server: GatewayServer, folder: Path) -> str:
    """What an example says first; it is ended once it has noted where it is."""
    program = sys.executable if bot.endswith(".py") else node()
    environ = {**os.environ, "RTP_URL": server.url, "PYTHONPATH": str(ROOT)}
    noted = (folder / "bot.position").read_text()
    call = [program, str(ROOT / "examples" / bot)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=folder, env=environ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        eventually(lambda: (folder / "bot.position").read_text() not in ("", noted))
        process.kill()
    return line
