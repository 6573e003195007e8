"""A server of the embedded stack: one child process that starts, answers, can be hurt, and ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import Cancelled, StackError
from core.stack import pids, ports
from core.stack.account import Account
from core.stack.full_disk import no_space_left
from core.stack.serverlog import ServerLog
from core.stack.supervisor import GuardedProcess, Supervisor

START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 5


def tell_nobody(_line: str) -> None:
    """Where nobody asked to be told."""


@dataclass(frozen=True)
class StartUp:
    """Whom to tell about the steps, in lines that hold no secret, and whether to go on with them."""

    say: Callable[[str], object] = tell_nobody
    cancelled: threading.Event = field(default_factory=threading.Event)

    def pause(self) -> None:
        """Wait a moment. Raises Cancelled where nothing more is to be started."""
        if self.cancelled.wait(POLL_SECONDS):
            raise Cancelled


class ServerProcess:
    """Base of the three servers. A subclass says how it is started and when it answers.

    All methods may be called from any thread. They raise StackError, with no secret in its message.
    """

    name: str
    stop_signal = signal.SIGTERM  # an orderly end, which keeps what the server holds
    end_signal = signal.SIGKILL  # the quick end, also on rtp's own death: nothing needs to be kept

    def __init__(self, folder: Path, port: int, supervisor: Supervisor, secrets: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = port or ports.free_port()
        self._port_is_fixed = port != 0
        self._log = ServerLog(folder / "server.log", secrets)
        self.extra_environment: dict[str, str] = {}  # from its next start on
        self._account: Account | None = None  # who runs it; None: the same user as rtp
        self._process: GuardedProcess | None = None
        self._supervisor = supervisor

    def command(self) -> list[str]:
        """The program, by absolute path, and its arguments; no secrets, as everyone can see them."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """The whole environment: nothing of the user's reaches the server by accident."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def answers(self) -> bool:
        """Whether the server does its work now; asked again and again while it starts."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Get ready for a (re)start on `port`."""

    @property
    def pid(self) -> int | None:
        """The id of the server's first process, or None."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether the process exists; it may be paused."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start on the port and with the data it had before, and wait until it answers."""
        if self.is_running:
            return
        try:
            self.spawn()
            self.wait_until_it_answers(StartUp())
        except BaseException:
            self.end()
            raise

    def stop(self) -> None:
        """End in an orderly way; kill after 10 s."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End like a crash: SIGKILL to the server and everything below it."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End as quickly as leaves nothing behind; what the server holds is lost."""
        self._end(self.end_signal)

    def restart(self) -> None:
        """Stop, then start on the same port and with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal_all(signal.SIGCONT)

    def spawn(self) -> None:
        """Start the process and return at once."""
        if not ports.is_free(self.port):
            if self._port_is_fixed:
                raise self._taken()
            self.port = ports.free_port()
        self.prepare()
        self._process = self.run(self.command())

    def run(self, command: list[str]) -> GuardedProcess:
        """Start a program as this server's user."""
        if not os.access(command[0], os.X_OK):
            remedy = "Give it the x permission; a folder mounted with noexec cannot hold it"
            raise StackError(f"{command[0]} is not executable", remedy)
        self._log.note_start()
        return self._supervisor.start(
            command,
            self.end_signal,
            environ=dict(self.environment()) | self.extra_environment,
            folder=self.folder,
            log=self._log.path,
            account=self._account,
        )

    def wait_until_it_answers(self, start_up: StartUp) -> None:
        """Wait for the first answer; a port that someone took meanwhile is exchanged for another."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        attempts = 1
        while not (self.answers() and self.is_running):
            if not self.is_running:
                if self._port_is_fixed or attempts == PORT_ATTEMPTS or not self._log.tells_of_taken_port():
                    raise self.failure("ended while it started")
                attempts += 1
                self.port = ports.free_port()
                self.spawn()
            elif time.monotonic() > deadline or self._log.tells_of_full_disk():
                raise self.failure(f"did not answer within {START_TIMEOUT_SECONDS:.0f} s")
            start_up.pause()
        self._port_is_fixed = True  # from now on clients know it

    def failure(self, what: str) -> StackError:
        """The error for a start that failed, with the cause that its log gives and the remedy."""
        if self._log.tells_of_full_disk():
            return no_space_left(self.folder)
        if self._log.tells_of_taken_port():
            return self._taken()
        cause = self._log.last_lines() or "it wrote nothing about the cause"
        return StackError(f"{self.name} {what}: {cause}", f"It was run as {self.command()[0]}")

    def _taken(self) -> StackError:
        return StackError(f"Port {self.port} for {self.name} is taken", "Choose another one, or 0 for any")

    def _end(self, number: signal.Signals) -> None:
        if (process := self._process) is None:
            return
        below = pids.descendants(process.pid)
        process.send(number)
        for pid in below if number is signal.SIGKILL else ():
            pids.send(pid, number)
        process.send(signal.SIGCONT)  # what is paused would not notice
        for pid in below:
            pids.send(pid, signal.SIGCONT)
        if not process.wait(STOP_TIMEOUT_SECONDS):
            process.send(signal.SIGKILL)
            process.wait(STOP_TIMEOUT_SECONDS)
        pids.wait_until_gone(below)
        self._process = None

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is None or not self.is_running:
            raise StackError(f"{self.name} is not running", "Start it first")
        for pid in (self._process.pid, *pids.descendants(self._process.pid)):
            pids.send(pid, number)
