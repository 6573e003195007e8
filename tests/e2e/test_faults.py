"""The fault suite in a short form: some of its faults, one after the other, and every event accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.faults.catalogue import FAULTS
from tests.rtp_process import ROOT

# One of each sort, the ones that are soon over; the rest is `make faults`.
FEW = (
    "rtp-killed",
    "rtp-paused",
    "redis-killed",
    "redis-wiped",
    "postgres-crashed",
    "postgres-cut",
    "redis-reset",
    "sqs-killed",
    "sqs-partial-failures",
    "sqs-malformed",
    "disk-full",
)
SECONDS = 240


@pytest.mark.timeout(SECONDS + 10)
def test_every_fault_was_injected_and_nothing_is_lost_reordered_or_wrong(tmp_path: Path) -> None:
    """One test: of several, each worker that has one would make the run again."""
    report = run_of_the_few(tmp_path / "report.json")
    assert set(report["faults"]) | set(report["skipped"]) == set(FEW)
    wrong = [(s["sink"], s["lost"], s["reordered"]) for s in report["sinks"] if s["lost"] or s["reordered"]]
    assert not wrong, report["said"]
    assert report["is_clean"], report["said"]


def run_of_the_few(file: Path) -> Any:
    """A run's own account of itself."""
    only = [option for name in FEW for option in ("--only", name)]
    command = [
        sys.executable,
        "-m",
        "loadtests.faults",
        "--faults",
        str(len(FEW)),
        "--hold",
        "0.4",
        "--rate",
        "60",
        "--seed",
        "1",
    ]
    run = subprocess.run(
        [*command, *only, "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert Path(file).exists(), run.stderr[-3000:]
    document = json.loads(file.read_text(encoding="utf-8"))
    document["said"] = run.stdout[-3000:] + run.stderr[-3000:]
    return document


def test_the_few_are_among_all() -> None:
    assert set(FEW) <= set(FAULTS)
