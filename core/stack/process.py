"""A server of the embedded stack: one child process that starts, answers, can be hurt, and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from core.errors import StackError
from core.stack import keeper, pids, ports
from core.stack.account import Account
from core.stack.serverlog import ServerLog

START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 10.0
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 5
LAUNCHER = Path(__file__).with_name("launch.py")


class ServerProcess:
    """Base of the three servers. A subclass says how it is started and when it answers.

    All methods may be called from any thread. They raise StackError, with no secret in its message.
    """

    name: str
    stop_signal = signal.SIGTERM  # an orderly end, which keeps what the server holds
    end_signal = signal.SIGKILL  # the quick end, also on rtp's own death: nothing needs to be kept

    def __init__(self, folder: Path, port: int, on_change: Callable[[], None], secrets: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = port or ports.free_port()
        self._port_is_fixed = port != 0
        self._log = ServerLog(folder / "server.log", secrets)
        self.extra_environment: dict[str, str] = {}  # from its next start on
        self._account: Account | None = None  # who runs it; None: the same user as rtp
        self._process: subprocess.Popen[bytes] | None = None
        self._on_change = on_change  # the state file names every server's process

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
        keeper.call(self._start)

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
        """Start the process and return at once. Only on the keeper's thread (see there)."""
        if not ports.is_free(self.port):
            if self._port_is_fixed:
                raise self._taken()
            self.port = ports.free_port()
        self.prepare()
        self._process = self.run(self.command())
        self._on_change()

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a program as this server's user, in a session of its own that a terminal's Ctrl-C spares."""
        if not os.access(command[0], os.X_OK):
            remedy = "Give it the x permission; a folder mounted with noexec cannot hold it"
            raise StackError(f"{command[0]} is not executable", remedy)
        user, group = (self._account.user, self._account.group) if self._account else (-1, -1)
        orders = [str(number) for number in (os.getpid(), int(self.end_signal), user, group)]
        with self._log.open_for_start() as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCHER), *orders, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=dict(self.environment()) | self.extra_environment,
                start_new_session=True,
            )

    def wait_until_it_answers(self) -> None:
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
            keeper.pause(POLL_SECONDS)
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

    def _start(self) -> None:
        if self.is_running:
            return
        try:
            self.spawn()
            self.wait_until_it_answers()
        except BaseException:
            self.end()
            raise

    def _end(self, number: signal.Signals) -> None:
        if (process := self._process) is None:
            return
        below = pids.descendants(process.pid)
        if process.poll() is None:
            process.send_signal(number)
        for pid in below if number is signal.SIGKILL else ():
            pids.send(pid, number)
        for pid in (process.pid, *below) if process.poll() is None else below:
            pids.send(pid, signal.SIGCONT)  # what is paused would not notice
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        pids.wait_until_gone(below)
        self._process = None
        self._on_change()

    def _signal_all(self, number: signal.Signals) -> None:
        if self._process is None or not self.is_running:
            raise StackError(f"{self.name} is not running", "Start it first")
        for pid in (self._process.pid, *pids.descendants(self._process.pid)):
            pids.send(pid, number)


def no_space_left(folder: object) -> StackError:
    """The error for a full disk."""
    return StackError(f"No space left on device in {folder}", "Free some, or point TMPDIR at another disk")
