"""What the processes use, from /proc: CPU seconds and resident memory. Where there is no /proc, nothing is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.stack import pids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far, and bytes of memory now, of a process and all below it."""

    cpu_seconds: float
    resident_bytes: int


def usage(pid: int, known_children: Mapping[int, Sequence[int]] | None = None) -> Usage | None:
    """What a process and its children use; None where that cannot be told."""
    found = [seen for member in (pid, *pids.descendants(pid, known_children)) if (seen := _usage(member)) is not None]
    if not found:
        return None
    return Usage(sum(one.cpu_seconds for one in found), sum(one.resident_bytes for one in found))


def machine_cpu_seconds() -> tuple[float, float] | None:
    """Busy and all CPU seconds of the whole machine since it started."""
    try:
        fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / ticks, sum(fields) / ticks


def _usage(pid: int) -> Usage | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    # Fields 14 to 17 of proc(5), counted after the name: own time, and that of children that have ended.
    cpu = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return Usage(cpu, int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))


class UsageSampler:
    """Turns CPU seconds into shares of one CPU, per named process, between two looks."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = dict(processes)
        self._before: dict[str, float] = {}
        self._machine = machine_cpu_seconds()
        self._at = 0.0

    def watch(self, name: str, pid: int) -> None:
        self._processes[name] = pid

    def sample(self, now: float) -> dict[str, tuple[float, int]]:
        """Per process: how much of one CPU it used since the last look (1.0 is all of it), and its memory in bytes."""
        elapsed, found, children = now - self._at, {}, pids.children()
        for name, pid in self._processes.items():
            seen = usage(pid, children)
            if seen is None:
                continue
            if name in self._before and elapsed > 0:
                found[name] = (max(0.0, seen.cpu_seconds - self._before[name]) / elapsed, seen.resident_bytes)
            self._before[name] = seen.cpu_seconds
        self._at = now
        return found

    def machine_share(self) -> float | None:
        """How busy the whole machine was since the last look, 0 to 1."""
        now, before = machine_cpu_seconds(), self._machine
        self._machine = now
        if now is None or before is None or now[1] <= before[1]:
            return None
        return (now[0] - before[0]) / (now[1] - before[1])
