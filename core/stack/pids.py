"""What the operating system says about processes: whether they are alive, and whose children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HAS_PROC = Path("/proc/self/stat").exists()  # Linux; elsewhere `ps` is asked


def is_alive(pid: int) -> bool:
    """Whether there is such a process; a zombie has ended, whoever failed to collect it."""
    if _HAS_PROC:
        fields = _stat(pid)
        return fields is not None and fields[0] not in "ZX"
    state = _ps("-o", "stat=", "-p", str(pid)).strip()
    return bool(state) and not state.startswith("Z")


def children() -> dict[int, list[int]]:
    """The ids of each process's children; of all processes that there are."""
    found: dict[int, list[int]] = {}
    for child, parent in _parents():
        found.setdefault(parent, []).append(child)
    return found


def descendants(pid: int, known_children: Mapping[int, Sequence[int]] | None = None) -> list[int]:
    """The ids of all processes below this one, in no particular order.

    Who asks about several passes what `children` has found: to look at all processes takes milliseconds.
    """
    of_each = children() if known_children is None else known_children
    found: list[int] = []
    pending = [pid]
    while pending:
        below = of_each.get(pending.pop(), [])
        found += below
        pending += below
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has ended already (macOS: that is a zombie) is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def wait_until_gone(below: list[int], seconds: float = 1) -> None:
    """Wait until the former children of a dead server have ended too; kill those that have not in time."""
    deadline = time.monotonic() + seconds
    while below := [pid for pid in below if is_alive(pid)]:
        if time.monotonic() > deadline:
            for pid in below:
                send(pid, signal.SIGKILL)
        time.sleep(0.005)


def _parents() -> list[tuple[int, int]]:
    if _HAS_PROC:
        ids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [(pid, int(fields[1])) for pid in ids if (fields := _stat(pid)) is not None]
    rows = (line.split() for line in _ps("-A", "-o", "pid=,ppid=").splitlines())
    return [(int(row[0]), int(row[1])) for row in rows if len(row) == 2]


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
