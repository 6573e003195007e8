"""The process that runs a stack's servers, and outlives its owner for a moment to end them and remove their files.

Run as a script, never imported: `python -I -S guard.py PATH...`, with what is to be removed. Each line on standard
input is a request, answered by a line on standard output. The end of standard input is the owner's end, whatever that
was: the kernel closes a killed process's pipes, too. The guard is the servers' parent, and so knows each of them from
its first instruction on.
"""

import contextlib
import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

# PostgreSQL kills those of its own that do not end, as they are paused, after 5 s.
GRACE_SECONDS = 10.0
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_C = ctypes.CDLL(None)  # not in the child: there it might not be found any more


class Guard:
    """The servers, and what is to be removed after them."""

    def __init__(self) -> None:
        self.servers: dict[int, tuple[subprocess.Popen[bytes], int]] = {}

    def start(self, end_signal: int, log: str, **options: object) -> dict[str, object]:
        """Start a program in a session of its own, which a terminal's Ctrl-C spares."""
        try:
            with open(log, "ab") as output:  # noqa: PTH123  (nothing that would have to be imported)
                process = subprocess.Popen(  # type: ignore[call-overload]
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    preexec_fn=functools.partial(  # noqa: PLW1509  (the guard has one thread only)
                        _end_with_parent, os.getpid(), end_signal
                    ),
                    **options,
                )
        except OSError as error:
            return {"error": error.strerror, "errno": error.errno, "path": error.filename}
        self.servers[process.pid] = process, end_signal
        return {"pid": process.pid}

    def look(self, pid: int) -> dict[str, object]:
        """The exit code of one that has ended; it is forgotten then, as its id may become another's."""
        code = self.servers[pid][0].poll()
        if code is not None:
            del self.servers[pid]
        return {"code": code}

    def tidy_up(self) -> None:
        """End what still runs, and remove what is still there."""
        for pid, (process, end_signal) in self.servers.items():
            if end_signal == signal.SIGKILL:
                _send_to_group(pid, end_signal)
            elif process.poll() is None:
                process.send_signal(end_signal)  # PostgreSQL ends its own, and frees its shared memory
                process.send_signal(signal.SIGCONT)  # one that is paused would not notice
        deadline = time.monotonic() + GRACE_SECONDS
        while self.is_anything_left() and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid, (process, _) in self.servers.items():
            _send_to_group(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        for path in sys.argv[1:]:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108  (nothing that would have to be imported)

    def is_anything_left(self) -> bool:
        """Whether a server, or a process of its group, has not ended."""
        return any(process.poll() is None or _send_to_group(pid, 0) for pid, (process, _) in self.servers.items())


def _end_with_parent(parent: int, end_signal: int) -> None:
    """Have the kernel end this process should its parent be killed; other systems than Linux cannot."""
    if sys.platform == "linux":
        _C.prctl(PR_SET_PDEATHSIG, end_signal)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)


def _send_to_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    """Answer requests until the owner is gone."""
    guard = Guard()
    try:
        for line in sys.stdin:
            request = json.loads(line)
            answer = getattr(guard, request.pop("do"))(**request)
            with contextlib.suppress(BrokenPipeError):  # the owner has gone since it asked
                os.write(1, json.dumps(answer).encode() + b"\n")
    finally:
        guard.tidy_up()


if __name__ == "__main__":
    main()
