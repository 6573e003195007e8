"""The gateway's process may have as many files open as it may have connections."""

from __future__ import annotations

import subprocess
import sys

from tests.rtp_process import ROOT


def limits_after(soft: int, hard: int, connections: int) -> list[str]:
    """The limit that a process has then, and what it says."""
    code = (
        "import resource; from core.gateway.open_files import allow_open_files;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); said = allow_open_files({connections});"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0]); print(said)"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")


def test_the_limit_is_raised_as_far_as_needed() -> None:
    assert limits_after(256, 4096, 1000)[:2] == ["1500", "None"]
    assert limits_after(2000, 4096, 1000)[:2] == ["2000", "None"]


def test_a_limit_that_may_not_be_raised_so_far_is_told() -> None:
    limit, said, _ = limits_after(256, 1024, 10_000)
    assert limit == "1024"
    assert said.startswith("serve.limits.connections: the system allows this process 1,024 open files")
