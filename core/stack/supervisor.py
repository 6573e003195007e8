"""A stack's servers as processes of its guard (see guard.py), which ends them should this process end without."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import StackError
from core.stack import pids
from core.stack.full_disk import no_space_left

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from core.stack.account import Account

_GUARD = Path(__file__).with_name("guard.py")
_POLL_SECONDS = 0.005


class Supervisor:
    """The guard's owner."""

    def __init__(self, *, removes: Collection[Path]) -> None:
        self._removes = removes
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), *map(str, removes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,  # a terminal's Ctrl-C is for its owner
        )
        self._lock = threading.Lock()
        _supervisors.add(self)

    def start(
        self,
        command: list[str],
        end_signal: signal.Signals,
        *,
        environ: Mapping[str, str],
        folder: Path,
        log: Path,
        account: Account | None,
    ) -> GuardedProcess:
        """Start a program as the account's user; `end_signal` is how the guard ends it."""
        user = {} if account is None else {"user": account.user, "group": account.group, "extra_groups": []}
        options: dict[str, object] = {"args": command, "cwd": str(folder), "env": dict(environ), **user}
        answer = self._ask("start", end_signal=int(end_signal), log=str(log), **options)
        if "error" in answer:
            if answer["errno"] == errno.ENOSPC:
                raise no_space_left(folder)
            raise StackError(f"cannot run {command[0]}: {answer['error']} ({answer['path']})")
        return GuardedProcess(self, answer["pid"])

    def take_exit_code(self, pid: int) -> int | None:
        """A child's, once it has ended; to be asked once then."""
        code: int | None = self._ask("look", pid=pid)["code"]
        return code

    def check(self) -> None:
        """Raise StackError where the guard has ended: the servers have, too, or nobody will end them."""
        if self._guard.poll() is not None:
            raise _guard_has_ended()

    def close(self) -> None:
        """Have the guard end what it started, remove what it is to remove, and end itself."""
        self.let_go()
        if self._guard.wait() != 0:  # it was killed before it could
            for path in self._removes:
                shutil.rmtree(path, ignore_errors=True)

    def let_go(self) -> None:
        """Close the pipes. A forked child does only this: otherwise the guard would wait for the child's end, too."""
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # a dead guard has not read the last request
                    pipe.close()

    def _ask(self, what: str, **request: Any) -> dict[str, Any]:
        assert self._guard.stdin is not None
        assert self._guard.stdout is not None
        with self._lock:
            try:
                self._guard.stdin.write(json.dumps({"do": what, **request}).encode() + b"\n")
                self._guard.stdin.flush()
                answer: dict[str, Any] = json.loads(self._guard.stdout.readline())
            except (OSError, ValueError) as error:
                raise _guard_has_ended() from error
        return answer


def _guard_has_ended() -> StackError:
    return StackError("The process that guards the embedded stack has ended", "Start rtp again")


class GuardedProcess:
    """A process that the guard has started. Its id is nobody else's before `poll` has given its exit code."""

    def __init__(self, supervisor: Supervisor, pid: int) -> None:
        self.pid = pid
        self._supervisor = supervisor
        self._code: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code, or None while it runs; it may be paused."""
        with self._lock:
            if self._code is None:
                self._code = self._supervisor.take_exit_code(self.pid)
            return self._code

    def wait(self, seconds: float) -> bool:
        """Whether it ends within this time."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            pids.send(self.pid, number)


_supervisors: weakref.WeakSet[Supervisor] = weakref.WeakSet()


def _let_go() -> None:
    for supervisor in _supervisors:
        supervisor.let_go()


os.register_at_fork(after_in_child=_let_go)
