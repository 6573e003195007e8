"""`python -m loadtests.faults.notify`: kill and freeze `rtp notify` at random; account for every message.

Three of them share three destinations: one takes everything, one is slow, one answers 200, 429, 500, or nothing, at
random. Alerts come all the while. A kill is -9; a freeze lasts longer than a lease, so that others take over meanwhile.
`make kills` runs it.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from core.notify.outbox.outbox import Outbox
from loadtests.faults.notify.account import account
from loadtests.shared.alerts import alert
from loadtests.shared.catcher import MessageCatcher, catching
from loadtests.shared.forked_rtp import ForkedRtp, kill
from loadtests.shared.notify_world import NotifyWorld, notify_world
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

    from rtp_client.event import Event

_PROCESSES = 3
_ENTITIES = 60
_LEASE_SECONDS = 0.6
_LONGEST_PAUSE_SECONDS = 0.7
_FROZEN_SECONDS = 1.0
_DRAIN_SECONDS = 90
_PRELOAD = (
    "cli.notify.run",
    "core.notify.tellings",
    "core.notify.intakes.queue_intake",
    "core.services.receiving_client",
)
_DESTINATIONS = ("fast", "slow", "moody")


class _Feeder:
    """Sends alerts until it is stopped."""

    def __init__(self, world: NotifyWorld, rate: float) -> None:
        self.sent: list[Event] = []
        self._world, self._rate = world, rate
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(10 / self._rate):
            numbers = range(len(self.sent) + 1, len(self.sent) + 11)
            severities = ("info", "warning", "critical")
            alerts = [
                alert(number, f"token{number * 7 % _ENTITIES}", severity=severities[number % 3]) for number in numbers
            ]
            self._world.send(alerts)
            self.sent += alerts


def _behave(chance: random.Random) -> int:
    drawn = chance.random()
    if drawn < 0.9:
        return 200
    return 429 if drawn < 0.93 else 500 if drawn < 0.97 else 0


def main() -> None:
    """Run, print, and end with 1 where anything is lost, reordered or made up."""
    parser = argparse.ArgumentParser(description="Kill rtp notify at random, and account for every message.")
    parser.add_argument("--kills", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--rate", type=float, default=100, help="alerts per second meanwhile (default 100)")
    parser.add_argument("--freezes", type=float, default=0.15, help="for each kill so many freezes (default 0.15)")
    parser.add_argument("--seed", type=int, help="the seed of a run before; it is printed")
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", file=sys.stderr)
    chance, moods = random.Random(seed), random.Random(seed + 1)

    def behave(path: str) -> int:
        if path.startswith("/slow"):
            time.sleep(0.02)
        return _behave(moods) if path.startswith("/moody") else 200

    with notify_world() as world, catching(behave) as catcher:
        began = time.monotonic()
        sent = _hurt(world, catcher, chance, arguments.kills, arguments.freezes, arguments.rate)
        seconds = time.monotonic() - began
        caught = catcher.caught
        accounts = [
            account(name, sent, [one.text for one in caught if one.path == f"/{name}"]) for name in _DESTINATIONS
        ]
        letters = redis_client(world.addresses.redis_url).xlen("rtp:notify:dead")
    print(f"{len(sent):,} alerts, {arguments.kills} kills, {seconds:.0f} s, {letters} dead letters")
    print(f"{'destination':14}{'alerts':>10}{'lost':>8}{'reordered':>11}{'phantoms':>10}{'duplicates':>12}")
    for one in accounts:
        print(
            f"{one.destination:14}{one.alerts:>10,}{one.lost:>8}{one.reordered:>11}{one.phantoms:>10}"
            f"{one.duplicates:>12}"
        )
    sys.exit(0 if all(one.is_clean for one in accounts) and not letters else 1)


def _hurt(
    world: NotifyWorld, catcher: MessageCatcher, chance: random.Random, kills: int, freezes: float, rate: float
) -> list[Event]:
    address = f"json://127.0.0.1:{catcher.port}"
    to = [{"url": f"{address}/{name}", "name": name, "limit": "off", "timeout_seconds": 1} for name in _DESTINATIONS]
    config = world.settings_file([{"name": "desk", "to": to}], leader_lease_seconds=_LEASE_SECONDS)
    forked = ForkedRtp(_PRELOAD)
    arguments = ("notify", "--config", str(config), "--json")

    def start() -> ForkServerProcess:
        return forked.start(arguments, world.environ, world.folder / "output")

    running = [start() for _ in range(_PROCESSES)]
    feeder = _Feeder(world, rate)
    for number in range(kills):
        time.sleep(chance.uniform(0.02, _LONGEST_PAUSE_SECONDS))
        if chance.random() < freezes:
            victim = chance.choice(running)
            kill(victim, signal.SIGSTOP)
            threading.Timer(_FROZEN_SECONDS, kill, (victim, signal.SIGCONT)).start()
        place = chance.randrange(_PROCESSES)
        kill(running[place])
        running[place].join()
        running[place] = start()
        if number % 20 == 19:
            print(f"{number + 1} kills, {len(feeder.sent):,} alerts", file=sys.stderr)
    feeder.stop()
    _wait_until_told(world, len(feeder.sent))
    for process in running:
        kill(process, signal.SIGTERM)
        process.join(20)
    return feeder.sent


def _wait_until_told(world: NotifyWorld, alerts: int) -> None:
    outbox = Outbox(redis_client(world.addresses.redis_url), "redis")
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        standings = outbox.standings(_DESTINATIONS).values()
        if all(one.counts.told >= alerts and not one.waiting for one in standings):
            return
        time.sleep(0.2)
    print("not all was told in time", file=sys.stderr)


if __name__ == "__main__":
    main()
