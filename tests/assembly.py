"""The CDK app, synthesised as `cdk synth` does it: offline, and with cdk-nag, whose findings end it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from core.settings.file import default_path

ROOT = Path(__file__).parents[1]
TABLES = {"tvl": "defi-tvl", "prices": "defi-prices", "protocols": "defi-protocols", "samples": "defi-samples"}
HISTORY = {
    **{"kind": "price", "table": "samples", "shape": "history"},
    "columns": {"chain": {"const": "base"}, "token": "token", "value": "price", "changed_at": "time"},
}
ROUTED = {"match": {"severity": "critical"}, "queue": "rtp-critical.fifo", "dead_letter_queue": "rtp-critical-dlq.fifo"}


def prepare(folder: Path) -> None:
    """What a deployment needs: settings with DynamoDB tables and a route, and a package of code."""
    document = yaml.safe_load(default_path().read_text(encoding="utf-8"))
    document["watches"]["samples"] = HISTORY
    document["dynamodb"] = {"tables": {watch: {"table": name} for watch, name in TABLES.items()}}
    document["routes"] = [ROUTED]
    (folder / "rtp.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "code").mkdir()
    (folder / "code" / "empty.py").write_text("", encoding="utf-8")
    (folder / "code" / ".python-version").write_text("3.13\n", encoding="utf-8")


def synthesise(folder: Path) -> None:
    """Write the assembly into `folder/out`, or nothing of it."""
    context = {
        "config": str(folder / "rtp.yaml"),
        "code": str(folder / "code"),
        "consumer_code": str(ROOT / "infrastructure" / "consumer"),
        "parallelization": "7",
        "aws:cdk:disable-asset-staging": "true",
    }
    # The CDK unpacks its 200 MB of JavaScript under HOME the first time: most of what synthesising takes.
    home = ROOT / "build" / "cdk-home"
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "infrastructure.app"],
        env={
            "PATH": "",
            "HOME": str(home),
            "CDK_OUTDIR": str(folder / "out"),
            "CDK_CONTEXT_JSON": json.dumps(context),
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=900,
    )
    if done.returncode:
        shutil.rmtree(folder / "out", ignore_errors=True)
        raise AssertionError(done.stdout + done.stderr)
