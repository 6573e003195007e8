"""What /proc says about processes that may end at any moment: one that has gone has nothing to say."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from core.stack import pids
from tests.eventually import eventually


def command_line(pid: int) -> list[str]:
    """The program and its arguments."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    return []


def kill_the_guard_below(pid: int) -> None:
    """Kill the guard of the embedded stack that this process owns, as nothing but chance would."""

    def guards() -> list[int]:
        lines = ((below, command_line(below)) for below in pids.descendants(pid))
        return [below for below, line in lines if any(part.endswith("/guard.py") for part in line)]

    (guard,) = eventually(guards)
    os.kill(guard, signal.SIGKILL)


def listening_addresses(pid: int) -> set[str]:
    """The `address:port`s, in /proc/net's hexadecimal, that a process listens on."""
    sockets = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    sockets.add(target[8:-1])
    tables = [Path(f"/proc/net/{kind}").read_text().splitlines() for kind in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return {row[1] for row in rows if row[3] == "0A" and row[9] in sockets}


def mapped_shared_memory() -> set[Path]:
    """The files of /dev/shm that some process works with."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            lines = (process / "maps").read_text(errors="replace").splitlines()
            found |= {Path(line[line.index("/dev/shm/") :]) for line in lines if "/dev/shm/" in line}  # noqa: S108
    return found
