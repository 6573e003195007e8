"""Who gives way to whom: a process, its threads, its session."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtests.shared.giving_way import NICE, give_way

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN_LEVEL = Path("/proc/self/autogroup")
_WAITS_WITH_A_THREAD = """
import sys, threading
threading.Thread(target=sys.stdin.read).start()
print("ready", flush=True)
"""


@contextmanager
def _process(*, leads_a_session: bool = True, nice: int = 0) -> Iterator[int]:
    with subprocess.Popen(
        ["nice", "-n", str(nice), sys.executable, "-c", _WAITS_WITH_A_THREAD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=leads_a_session,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.stdin.close()


def _own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def test_all_threads_of_a_process_give_way() -> None:
    with _process() as pid:
        give_way(pid)
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").glob("*")] or [pid]
        levels = {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
    assert levels == {max(NICE, _own_niceness())}


def test_a_process_that_is_nicer_already_stays_so() -> None:
    with _process(nice=19) as pid:
        give_way(pid)
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19


@pytest.mark.skipif(not _OWN_LEVEL.exists(), reason="this system does not schedule sessions as one")
def test_a_session_gives_way_with_the_process_that_leads_it() -> None:
    with _process() as pid:
        give_way(pid)
        assert Path(f"/proc/{pid}/autogroup").read_text().split()[-1] == str(NICE)


@pytest.mark.skipif(not _OWN_LEVEL.exists(), reason="this system does not schedule sessions as one")
def test_a_session_does_not_give_way_with_one_of_its_other_processes() -> None:
    before = _OWN_LEVEL.read_text()
    with _process(leads_a_session=False) as pid:
        give_way(pid)
    assert _OWN_LEVEL.read_text() == before


def test_a_process_that_has_ended_gives_no_error() -> None:
    with _process() as pid:
        pass
    give_way(pid)
