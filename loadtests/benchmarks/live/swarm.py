"""Thousands of WebSocket clients in one process, driven by commands on a pipe."""

from __future__ import annotations

import asyncio
import multiprocessing as mp
import random
import resource
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import uvloop

from loadtests.benchmarks.live.swarm_client import Counted, SwarmClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

_AT_ONCE = 100
_ANSWER_SECONDS = 300
_ENTITIES_EACH = 5
_MEASURES_EACH = 10


class Swarm:
    """The swarm as its parent sees it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def connect(self, port: int, clients: int, entities: int) -> dict[str, Any]:
        """Connect so many, each subscribed to five of so many entities; how long that took."""
        return self._ask("connect", port, clients, entities)

    def reconnect(self, port: int) -> dict[str, Any]:
        """Connect all again, each where it was; how long it took until all are subscribed."""
        return self._ask("reconnect", port)

    def freeze_one(self) -> dict[str, Any]:
        """Have the first client read nothing any more."""
        return self._ask("freeze_one")

    def take(self) -> dict[str, Any]:
        """What was counted since the last time."""
        return self._ask("take")

    def _ask(self, *command: Any) -> dict[str, Any]:
        self._pipe.send(command)
        if not self._pipe.poll(_ANSWER_SECONDS):
            raise TimeoutError(f"the swarm did not {command[0]}")
        answer: dict[str, Any] = self._pipe.recv()
        if "error" in answer:
            raise ConnectionError(answer["error"])
        return answer


@contextmanager
def swarm() -> Iterator[Swarm]:
    """A swarm's process, ended with the block."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_run, args=(theirs,), daemon=True)
    child.start()
    theirs.close()
    try:
        yield Swarm(ours)
    finally:
        ours.close()
        child.join(10)
        child.kill()


def _run(pipe: Connection) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    uvloop.run(_Members(pipe).serve())


class _Members:
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._counted = Counted()
        self._clients: list[SwarmClient] = []

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        commands: dict[str, Callable[..., Any]] = {
            "connect": self._connect,
            "reconnect": self._reconnect,
            "freeze_one": self._freeze_one,
            "take": self._take,
        }
        while True:
            try:
                name, *arguments = await loop.run_in_executor(None, self._pipe.recv)
            except EOFError:
                return
            try:
                answer = await commands[name](*arguments)
            except (OSError, TimeoutError) as error:
                answer = {"error": str(error)}
            self._pipe.send(answer)

    async def _connect(self, port: int, clients: int, entities: int) -> dict[str, Any]:
        chance = random.Random(2)
        for number in range(clients):
            names = [f"p{chance.randrange(entities)}" for _ in range(_ENTITIES_EACH)]
            measures = number % _MEASURES_EACH == 1
            self._clients.append(SwarmClient(self._counted, names, measures=measures))
        return await self._reconnect(port)

    async def _reconnect(self, port: int) -> dict[str, Any]:
        counted, wanted = self._counted, len(self._clients)
        counted.subscribed = counted.resumed = counted.reset = 0
        started = time.perf_counter()
        free = asyncio.Semaphore(_AT_ONCE)

        async def connect(client: SwarmClient) -> None:
            async with free:
                await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)

        async with asyncio.timeout(_ANSWER_SECONDS - 10):
            await asyncio.gather(*map(connect, self._clients))
            while counted.subscribed < wanted:
                await asyncio.sleep(0.005)
        return {"seconds": time.perf_counter() - started, "resumed": counted.resumed, "reset": counted.reset}

    async def _freeze_one(self) -> dict[str, Any]:
        self._clients[0].freeze()
        return {}

    async def _take(self) -> dict[str, Any]:
        taken = asdict(self._counted)
        self._counted.waits.clear()
        self._counted.frames = self._counted.lost = self._counted.skipped = 0
        self._counted.closed.clear()
        return taken
