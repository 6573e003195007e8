"""Consumers as processes: started, killed without a warning, started again."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import RtpError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.benchmarks.peers.peer import Command


class Process:
    """A running process, whose output goes to a file."""

    def __init__(self, command: Command, log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command.arguments,
                env=dict(command.environ),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for whoever started it, and ends it
            )
        assert self._process.stdin is not None
        self._process.stdin.write(command.first_line.encode())
        self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def check(self) -> None:
        """Raise RtpError where it has ended by itself."""
        if self._process.poll() is not None:
            said = self._log.read_text(errors="replace").strip().splitlines()
            raise RtpError(f"it ended with exit code {self._process.returncode}: {said[-1] if said else ''}")

    def kill(self) -> None:
        """SIGKILL: nothing of what it had in hand is put in order."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


@contextmanager
def running(command: Command, log: Path) -> Iterator[Process]:
    """A process for as long as the block lasts."""
    process = Process(command, log)
    try:
        yield process
    finally:
        process.kill()
