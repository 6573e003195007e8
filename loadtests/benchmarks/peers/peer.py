"""What a peer is: how it watches a table, and the process that consumes its events."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from loadtests.benchmarks.peers.receipts import Receipts

# How often whoever polls does so, and how much it takes at once: as rtp's defaults have it.
POLL_SECONDS = 0.002
BATCH = 500


@dataclass(frozen=True)
class Place:
    """Where a peer works: a server that is its own, and a folder for what its processes write."""

    dsn: str = field(repr=False)
    redis_url: str
    programs: Path
    folder: Path

    @property
    def receipts(self) -> Path:
        return self.folder / "receipts"


@dataclass(frozen=True)
class Command:
    """A process to start. `first_line` goes to its standard input: secrets do not belong on a command line."""

    arguments: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    first_line: str = field(default="", repr=False)


class Peer(Protocol):
    """One way to learn of changes. A member overrides what is not as most have it.

    `server_settings` are those of PostgreSQL that it needs. `recovery_seconds`: for how long after a restart
    nothing may come although something is missing: what a killed consumer held is given out again only then.
    """

    name: str
    server_settings: Mapping[str, str] = MappingProxyType({})
    recovery_seconds: float = 3.0

    def missing(self, programs: Path) -> str | None:
        """Why it cannot take part with the server whose programs are there; None where it can."""
        return None

    def install(self, place: Place) -> None:
        raise NotImplementedError

    def beside(self, place: Place) -> AbstractContextManager[Sequence[int]]:
        """What runs all the time beside the consumer; the ids of the processes whose CPU time is the peer's."""
        return contextlib.nullcontext(())

    def consumer(self, place: Place) -> Command:
        raise NotImplementedError


class PythonPeer(Peer, Protocol):
    """A peer whose consumer is a function, run in a process of its own."""

    def consumer(self, place: Place) -> Command:
        return _python(type(self).__module__, place)

    def consume(self, dsn: str, receipts: Receipts) -> None:
        """Consume without end: note an event, flush, and only then acknowledge it."""
        raise NotImplementedError


def _python(module: str, place: Place) -> Command:
    """The process that runs `consume` of a module's PEER (loadtests/benchmarks/peers/consumer.py)."""
    plan = {"module": module, "dsn": place.dsn, "receipts": str(place.receipts)}
    return Command([sys.executable, "-m", "loadtests.benchmarks.peers.consumer"], os.environ, json.dumps(plan) + "\n")
