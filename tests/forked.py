"""Processes of `rtp` that find imported what it imports: that is two thirds of the CPU of a short run.

One process, which has a single thread, imports it and is forked for each run. A run takes its arguments, variables,
streams and signals as a new process does, and ends as one. What looks at them while it is imported is imported by the
run itself: the command line.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import weakref
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORD = 8
_LONGEST_REQUEST = 1 << 18


class ForkedProcess:
    """A run, as `subprocess.Popen` shows one."""

    def __init__(self, told: int) -> None:
        self._told = told
        self._reading = threading.Lock()  # one thread may wait for its end while another kills it
        self.returncode: int | None = None
        self.pid = int.from_bytes(os.read(told, _WORD), "little")
        weakref.finalize(self, os.close, told)

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it, once it has ended."""
        with self._reading:
            if self.returncode is None and select.select([self._told], [], [], 0)[0]:
                self.returncode = int.from_bytes(os.read(self._told, _WORD), "little", signed=True)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            # It may have ended since, and who forked it tells of that a little later.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it like a crash."""
        self.send_signal(signal.SIGKILL)


def fork_rtp(arguments: Sequence[str], environ: Mapping[str, str], out: BinaryIO, err: BinaryIO) -> ForkedProcess:
    """Run `rtp` with these arguments, variables and outputs, and nothing to read."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        return _fork(arguments, environ, [nothing, out.fileno(), err.fileno()], answers_to_terminal=False)
    finally:
        os.close(nothing)


def fork_rtp_at_a_terminal(
    arguments: Sequence[str], environ: Mapping[str, str], terminal: int, err: int | None = None
) -> ForkedProcess:
    """Run `rtp` with these arguments and variables at a terminal; errors go there, too, unless told."""
    streams = [terminal, terminal, terminal if err is None else err]
    return _fork(arguments, environ, streams, answers_to_terminal=True)


def _fork(
    arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[int], *, answers_to_terminal: bool
) -> ForkedProcess:
    request = {"arguments": list(arguments), "environ": dict(environ), "answers_to_terminal": answers_to_terminal}
    told, tells = os.pipe()
    try:
        socket.send_fds(_parent(), [json.dumps(request).encode()], [*streams, tells])
    finally:
        os.close(tells)
    return ForkedProcess(told)


@functools.cache
def _parent() -> socket.socket:
    """The way to the process that is forked; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=Path(__file__).parents[1],
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(requests: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 4)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _tell_of(descriptors.pop())
            _run(descriptors, **json.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)


def _tell_of(tells: int) -> None:
    """Fork the run, and tell of it; only the run returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(tells)
        return
    os.closerange(0, tells)
    os.write(tells, pid.to_bytes(_WORD, "little"))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(tells, code.to_bytes(_WORD, "little", signed=True))
    os._exit(0)


def _run(
    streams: Sequence[int], *, arguments: list[str], environ: Mapping[str, str], answers_to_terminal: bool
) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if answers_to_terminal:
        os.setsid()
        ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    modes = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    for number, (name, mode) in enumerate(modes):
        buffering = 1 if name == "stderr" or os.isatty(number) else -1
        errors = "backslashreplace" if name == "stderr" else "strict"
        opened = open(number, mode, buffering, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)
    sys.argv = ["rtp", *arguments]
    runpy.run_module("cli", run_name="__main__", alter_sys=True)
    sys.exit()


def _import_all() -> None:
    import cli.cache  # noqa: PLC0415
    import cli.demo  # noqa: PLC0415
    import cli.dlq  # noqa: PLC0415
    import cli.notify.run  # noqa: PLC0415
    import cli.processing  # noqa: PLC0415
    import cli.status_run  # noqa: PLC0415
    import cli.tail  # noqa: F401, PLC0415
    from core.sinks.settings import load_settings  # noqa: PLC0415

    load_settings(None, environ={}, options={})  # pydantic makes a model's validator when it is first asked for
    for name in [name for name in sys.modules if name.partition(".")[0] == "cli"]:
        del sys.modules[name]


if __name__ == "__main__":
    import gc

    _import_all()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
