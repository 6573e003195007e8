"""What the operating system says about processes: alive, the same one as before, whose children."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from pathlib import Path

_HAS_PROC = Path("/proc/self/stat").exists()  # Linux; elsewhere `ps` is asked


def identity(pid: int) -> str | None:
    """A text that no other process ever has, even one that gets the same id later; None if it is gone.

    Linux: the boot's id and the start time in clock ticks. Elsewhere: the start time as `ps` prints it.
    """
    if _HAS_PROC:
        fields = _stat(pid)
        if fields is None or fields[0] in "ZX":  # a zombie has ended, whoever failed to collect it
            return None
        return f"{_boot_id()}:{fields[19]}"
    line = _ps("-o", "stat=,lstart=", "-p", str(pid)).strip()
    return None if not line or line.startswith("Z") else line.split(None, 1)[1]


def descendants(pid: int) -> list[int]:
    """The ids of all processes below this one, in no particular order."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has ended already (macOS: that is a zombie) is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_family(pid: int) -> None:
    """SIGKILL for a process and all below it, and wait until they are gone."""
    family = [pid, *descendants(pid)]
    for member in family:
        send(member, signal.SIGKILL)
    wait_until_gone(family)


def wait_until_gone(below: list[int], seconds: float = 1) -> None:
    """Wait until the former children of a dead server have ended too; kill those that have not in time."""
    deadline = time.monotonic() + seconds
    known = {pid: identity(pid) for pid in below}
    while known := {pid: who for pid, who in known.items() if who is not None and identity(pid) == who}:
        if time.monotonic() > deadline:
            for pid in known:
                send(pid, signal.SIGKILL)
        time.sleep(0.005)


def wait_until_group_gone(group: int, seconds: float) -> None:
    """Wait until a process group is empty; kill what is left of it after that time."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.005)
        os.killpg(group, signal.SIGKILL)


def _parents() -> list[tuple[int, int]]:
    if _HAS_PROC:
        ids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [(pid, int(fields[1])) for pid in ids if (fields := _stat(pid)) is not None]
    rows = (line.split() for line in _ps("-A", "-o", "pid=,ppid=").splitlines())
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2]


@functools.cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # a sandbox that hides it
        return ""


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on; the second may hold spaces and parentheses."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text[text.rindex(")") + 1 :].split()


def _ps(*options: str) -> str:
    done = subprocess.run(["ps", *options], capture_output=True, text=True, check=False)
    return done.stdout
