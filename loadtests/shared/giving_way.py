"""What measures, and what stands in for another machine, leaves the CPU to what is measured wherever both want it."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

NICE = 10
"""A ninth of the weight of a process that is not nice."""
_TRIES, _PAUSE_SECONDS = 10, 0.1


def give_way(pid: int) -> None:
    """Make a process nice with all its threads, and, where it leads a session, that session.

    Where Linux schedules each session as one (man 7 sched: autogroups), a process is nice only to others in its own.
    A system that does not let us leaves the process as it is: it measures the same, and takes what it takes.
    """
    with suppress(OSError):
        for thread in _threads(pid):
            os.setpriority(os.PRIO_PROCESS, thread, max(NICE, os.getpriority(os.PRIO_PROCESS, thread)))
        if os.getsid(pid) == pid:
            _weigh_session(Path(f"/proc/{pid}/autogroup"))


def _threads(pid: int) -> list[int]:
    """Linux counts each thread by itself."""
    tasks = Path(f"/proc/{pid}/task")
    return [int(task.name) for task in tasks.iterdir()] if tasks.exists() else [pid]


def _weigh_session(level: Path) -> None:
    if not level.exists():
        return
    for _ in range(_TRIES):
        try:
            level.write_text(str(NICE))
        except BlockingIOError:  # from an ordinary user, Linux takes ten a second
            time.sleep(_PAUSE_SECONDS)
        else:
            return
