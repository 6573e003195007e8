"""Threads for calls to servers, which the end of the process does not wait for."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from core.services.daemon_pool import DaemonPool

STUCK = """
import threading
from core.services.daemon_pool import DaemonPool
DaemonPool(1, name="stuck").submit(threading.Event().wait)
"""


def test_a_call_gives_its_result_or_its_error() -> None:
    pool = DaemonPool(1, name="test")
    assert pool.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result()
    pool.shutdown()


def test_calls_run_side_by_side() -> None:
    pool, both = DaemonPool(2, name="test"), threading.Barrier(2)
    calls = [pool.submit(both.wait, 10) for _ in range(2)]
    assert sorted(call.result() for call in calls) == [0, 1]
    pool.shutdown()


def test_what_was_submitted_is_done_before_it_shuts_down() -> None:
    pool = DaemonPool(1, name="test")
    calls = [pool.submit(abs, -number) for number in range(100)]
    pool.shutdown()
    assert all(call.done() for call in calls)


def test_the_process_ends_though_a_call_does_not() -> None:
    assert subprocess.run([sys.executable, "-c", STUCK], check=False, timeout=60).returncode == 0
