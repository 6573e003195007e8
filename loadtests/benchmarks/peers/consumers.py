"""Consumers as processes: started, killed without a warning, started again."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import RtpError
from loadtests.shared.process import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.benchmarks.peers.peer import Command

_END_SECONDS = 10


def start(command: Command) -> Process:
    """Start one."""
    process = Process(command.arguments, command.environ)
    process.tell(command.first_line.encode())
    return process


def check(process: Process) -> None:
    """Raise RtpError where it has ended by itself."""
    if process.exit_code is not None:
        raise RtpError(f"it {process.how_it_ended()}")


def kill(process: Process) -> None:
    """SIGKILL: nothing of what it had in hand is put in order."""
    process.end(signal.SIGKILL, _END_SECONDS)


@contextmanager
def running(command: Command) -> Iterator[Process]:
    """A process for as long as the block lasts."""
    process = start(command)
    try:
        yield process
    finally:
        kill(process)
