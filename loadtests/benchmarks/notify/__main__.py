"""How fast, and how quietly, `rtp notify` tells people. `make notify` runs it.

All on this machine: the embedded stack, one `rtp notify`, and a service that takes messages over HTTP. Three questions:
how many alerts per second a fast service gets; how long it takes from the update of a row, through `rtp run` and SQS,
until the service has the alert; and into how many messages a crash of 2,000 alerts in one second folds, and how soon
the first critical one is told.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from core.own_python import own_module
from loadtests.benchmarks.live.writer import writing
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.watched_demo import watched_demo
from loadtests.shared.alerts import alert
from loadtests.shared.catcher import MessageCatcher, catching
from loadtests.shared.notify_world import NotifyWorld, notify_world
from loadtests.shared.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENTITIES = 200
_WARM_UP_SECONDS = 5
_CRASH = 2_000
_CRASH_SECONDS = 65
_DETECTED = re.compile(r" detected=(\S+)$", re.MULTILINE)


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure rtp notify on the embedded stack.")
    parser.add_argument("--alerts", type=int, default=10_000, help="how many to tell a fast service (default 10000)")
    parser.add_argument("--rate", type=int, default=50, help="alerts per second for the latency (default 50)")
    parser.add_argument("--seconds", type=int, default=20, help="how long to measure that (default 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    figures = {
        **_throughput(arguments.alerts),
        **_crash(),
        **_latency(arguments.rate, arguments.seconds),
    }
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value}")


@contextmanager
def _notifying(world: NotifyWorld, to: Mapping[str, Any]) -> Iterator[None]:
    config = world.settings_file([{"name": "desk", "to": [to]}])
    command = own_module("cli", "notify", "--config", str(config), "--json")
    process = Process(command, world.environ, on_line=lambda _: None)
    try:
        yield
        if process.exit_code is not None:
            raise RuntimeError(f"rtp notify {process.how_it_ended()}")
    finally:
        process.end(None, 0)


def _wait_for(catcher: MessageCatcher, messages: int, within_seconds: float) -> None:
    deadline = time.monotonic() + within_seconds
    while len(catcher.caught) < messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(catcher.caught)} of {messages} messages came in {within_seconds} s")
        time.sleep(0.02)


def _throughput(alerts: int) -> dict[str, Any]:
    """A message each, of a backlog in SQS."""
    with notify_world() as world, catching() as catcher:
        for start in range(1, alerts + 1, 500):
            world.send([alert(number, f"t{number % _ENTITIES}") for number in range(start, start + 500)])
        with _notifying(world, {"url": f"json://127.0.0.1:{catcher.port}/fast", "limit": "off"}):
            _wait_for(catcher, alerts, 30 + alerts / 50)
        times = [one.at for one in catcher.caught]
    skipped = alerts // 10  # while it warms up
    return {"alerts": alerts, "alerts_per_second": round((alerts - skipped) / (times[-1] - times[skipped]))}


def _crash() -> dict[str, Any]:
    """2,000 alerts in a second, one in twenty critical, to a service that takes 20 messages a minute."""
    with notify_world() as world, catching() as catcher:
        with _notifying(world, {"url": f"json://127.0.0.1:{catcher.port}/chat", "limit": "20/min"}):
            world.send([alert(1, "first")])
            _wait_for(catcher, 1, 30)
            began = time.time()
            numbers = range(2, _CRASH + 2)
            severities = ["critical" if number % 20 == 10 else "warning" for number in numbers]
            alerts = [
                alert(number, f"t{number}", severity=severity)
                for number, severity in zip(numbers, severities, strict=True)
            ]
            for start in range(0, _CRASH, 200):
                world.send(alerts[start : start + 200])
            sent_seconds = time.time() - began
            time.sleep(_CRASH_SECONDS)
        caught = [one for one in catcher.caught if one.at > began]
    return {
        "crash_alerts": _CRASH,
        "crash_sent_in_seconds": round(sent_seconds, 2),
        "crash_messages": len(caught),
        "crash_first_minute_messages": sum(one.at < began + 60 for one in caught),
        "crash_first_critical_seconds": round(
            min(one.at for one in caught if "critical" in one.text.lower()) - began, 3
        ),
    }


def _latency(rate: int, seconds: int) -> dict[str, Any]:
    """From the trigger's clock, in the transaction that updates the row, until the service has it."""
    with (
        watched_demo(_ENTITIES) as demo,
        demo.rtp() as rtp,
        catching() as catcher,
        TemporaryDirectory(prefix="rtp-notify-") as folder,
    ):
        rtp.wait_until_up()
        world = NotifyWorld(demo.addresses, Path(folder))
        with _notifying(world, {"url": f"json://127.0.0.1:{catcher.port}/fast", "limit": "off"}):
            with writing(demo.addresses.postgres_dsn, _ENTITIES, rate):
                _wait_for(catcher, 1, 30)
                time.sleep(_WARM_UP_SECONDS)
                begun_at = time.time()
                time.sleep(seconds)
            time.sleep(1)
        rtp.check()
        took = [
            one.at - datetime.fromisoformat(detected).timestamp()
            for one in catcher.caught
            if one.at > begun_at
            for detected in _DETECTED.findall(one.text)
        ]
    return {"rate": rate, "samples": len(took), **percentiles_ms("latency_", took)}


if __name__ == "__main__":
    main()
