"""The faults: what is done to whom, and how it is undone. One function each; it returns what ends the fault."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from core.services.postgres import connect
from loadtests.faults.stream_audit import impatient_client
from loadtests.faults.workload import QUERIES
from loadtests.shared.gateway import Mood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.stack.process import ServerProcess
    from loadtests.faults.world import World
    from loadtests.shared.proxy import TcpProxy

    End = Callable[[], None]

_DRAIN_SECONDS = 10
_CLOCK_STEPS = (2, 60, 3600, 86_400)


@dataclass(frozen=True)
class Fault:
    """`hold` bounds how long it lasts, in seconds; `weight` is how often it is drawn; `where` what it hurts."""

    where: str
    begin: Callable[[World], End]
    hold: tuple[float, float] = (0.2, 2.0)
    weight: int = 1
    missing: Callable[[World], str] = lambda _: ""  # why it cannot be made real here


def _kill_rtp(world: World) -> End:
    for run in world.runs:
        run.kill()
    return world.start_rtp


def _terminate_rtp(world: World) -> End:
    for run in world.runs:
        run.terminate()
    return world.start_rtp


def _pause_rtp(world: World) -> End:
    for run in world.runs:
        run.pause()

    def end() -> None:
        for run in world.runs:
            run.resume()

    return end


def _kill_leader(world: World) -> End:
    """The standby follows; the killed one comes back at once, as the next standby."""
    leader = world.leader()
    leader.kill()
    return leader.start


def _pause_leader(world: World) -> End:
    """Beyond its lease: it wakes up with deliveries in hand, while another leads."""
    leader = world.leader()
    leader.pause()
    return leader.resume


def _restart_redis(world: World) -> End:
    world.stack.redis.stop()
    return lambda: _start_redis(world)


def _kill_redis(world: World) -> End:
    world.stack.redis.kill()
    return lambda: _start_redis(world)


def _start_redis(world: World) -> None:
    world.stack.redis.start()
    world.make_redis_careful()


def wipe_redis(world: World) -> End:
    """Killed, and back without its data.

    What was in the stream and read by nobody would be gone, and nobody could tell whether rtp had delivered it. So
    writes are paused first, the reader reads to the end, and then Redis dies with rtp's call in the air.
    """
    with closing(impatient_client(world.stack.redis.url)) as client, suppress(redis.RedisError):
        client.client_pause(60_000, all=False)
        deadline = time.monotonic() + _DRAIN_SECONDS
        while not world.stream.has_read_all() and time.monotonic() < deadline:
            time.sleep(0.005)
    world.stack.redis.kill()
    for folder in world.stack.redis.folder.glob("appendonly*"):
        shutil.rmtree(folder)
    world.stream.begin_anew()
    return lambda: _start_redis(world)


def _crash_postgres(world: World) -> End:
    world.stack.postgres.end()  # SIGQUIT, an immediate shutdown: what comes next is crash recovery
    return world.stack.postgres.start


def _restart_postgres(world: World) -> End:
    world.stack.postgres.stop()
    return world.stack.postgres.start


def _kill_backend(world: World) -> End:
    """Kill -9 of one of rtp's sessions: PostgreSQL ends all of them, and recovers as after a crash."""
    with connect(world.stack.addresses.postgres_dsn, role="faults") as connection:
        pids = [row[0] for row in connection.execute(QUERIES["backends"]).fetchall()]
    if pids:
        os.kill(world.rng.choice(pids), signal.SIGKILL)
    return lambda: _await_postgres(world)


def _await_postgres(world: World) -> None:
    world.committed()


def _kill_sqs(world: World) -> End:
    world.stack.sqs.kill()
    return _bring_back_sqs(world)


def _restart_sqs(world: World) -> End:
    world.stack.sqs.stop()
    return _bring_back_sqs(world)


def _bring_back_sqs(world: World) -> End:
    """The endpoint keeps queues in memory: it comes back without the queue, which somebody then makes again."""

    def end() -> None:
        world.alerts.excuse_endpoint()
        world.stack.sqs.start()
        world.make_queue()

    return end


def _pausing(server: Callable[[World], ServerProcess]) -> Callable[[World], End]:
    def begin(world: World) -> End:
        server(world).pause()
        return server(world).resume

    return begin


def _on_the_network(service: str, hurt: Callable[[World, TcpProxy], None]) -> Callable[[World], End]:
    def begin(world: World) -> End:
        hurt(world, world.proxies[service])
        return world.proxies[service].heal

    return begin


def _answering(mood: Mood) -> Callable[[World], End]:
    def begin(world: World) -> End:
        world.gateway.mood = mood

        def end() -> None:
            world.gateway.mood = Mood.WELL

        return end

    return begin


def _fill_disk(world: World) -> End:
    world.disk.fill()

    def end() -> None:
        world.disk.give_back()
        for server in (world.stack.postgres, world.stack.sqs):
            server.start()  # where it has not survived
        _start_redis(world)

    return end


def _set_clock_back(world: World) -> End:
    world.clock.step(-world.rng.choice(_CLOCK_STEPS))
    return lambda: world.clock.step(0)


_AT_ONCE = (0.0, 0.2)  # done in a moment: there is nothing to hold
_NETWORK_FAULTS: Mapping[str, tuple[Callable[[World, TcpProxy], None], tuple[float, float]]] = {
    "slow": (lambda world, proxy: proxy.slow(world.rng.uniform(0.02, 0.15)), Fault.hold),
    "cut": (lambda _, proxy: proxy.cut(), Fault.hold),
    "reset": (lambda _, proxy: proxy.reset(), _AT_ONCE),
    "black-hole": (lambda _, proxy: proxy.stall(), Fault.hold),
    "half-open": (lambda _, proxy: proxy.half_open(), _AT_ONCE),
}
FAULTS: Mapping[str, Fault] = {
    "rtp-killed": Fault("rtp", _kill_rtp, (0.0, 0.3), weight=14),
    "rtp-terminated": Fault("rtp", _terminate_rtp, (0.0, 0.3)),
    "rtp-paused": Fault("rtp", _pause_rtp, (0.2, 3.0)),
    "leader-killed": Fault("rtp", _kill_leader, (0.0, 0.0), weight=3),
    "leader-paused": Fault("rtp", _pause_leader, (6.0, 9.0), weight=2),
    "redis-restarted": Fault("redis", _restart_redis),
    "redis-killed": Fault("redis", _kill_redis, weight=2),
    "redis-wiped": Fault("redis", wipe_redis),
    "redis-paused": Fault("redis", _pausing(lambda world: world.stack.redis)),
    "postgres-crashed": Fault("postgres", _crash_postgres, weight=2),
    "postgres-restarted": Fault("postgres", _restart_postgres),
    "postgres-backend-killed": Fault("postgres", _kill_backend, (0.0, 0.2)),
    "postgres-paused": Fault("postgres", _pausing(lambda world: world.stack.postgres)),
    "sqs-restarted": Fault("sqs", _restart_sqs, (0.4, 2.0)),
    "sqs-killed": Fault("sqs", _kill_sqs, (0.4, 2.0)),
    "sqs-paused": Fault("sqs", _pausing(lambda world: world.stack.sqs)),
    **{
        f"{service}-{name}": Fault(service, _on_the_network(service, hurt), hold)
        for service in ("postgres", "redis", "sqs")
        for name, (hurt, hold) in _NETWORK_FAULTS.items()
    },
    "sqs-throttled": Fault("sqs", _answering(Mood.THROTTLED)),
    "sqs-partial-failures": Fault("sqs", _answering(Mood.PARTIAL)),
    "sqs-4xx": Fault("sqs", _answering(Mood.CLIENT_ERROR)),
    "sqs-5xx": Fault("sqs", _answering(Mood.SERVER_ERROR)),
    "sqs-malformed": Fault("sqs", _answering(Mood.MALFORMED)),
    "sqs-answers-lost": Fault("sqs", _answering(Mood.ANSWER_LOST)),
    "disk-full": Fault("disk", _fill_disk, (2.0, 4.0), missing=lambda world: world.disk.missing),
    "clock-back": Fault("clock", _set_clock_back, (0.5, 2.0), missing=lambda world: world.clock.missing),
}
