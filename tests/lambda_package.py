"""The Lambda's package as `make package` makes it, but of the wheels that are installed here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infrastructure.trim_package import trim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
_WANTED_HERE = ("async-timeout",) if sys.version_info < (3, 11, 3) else ()
"""Of libraries that Lambda's newer Python does without."""
_INVOKE = """
import json, sys
from importlib import import_module
from types import SimpleNamespace
handler = import_module(sys.argv[1]).handler
names = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")
context = SimpleNamespace(**dict.fromkeys(names, "rtp"), get_remaining_time_in_millis=lambda: 20_000)
for event in json.load(sys.stdin):
    if event == "restored":
        from snapshot_restore_py import get_after_restore
        for hook, args, kwargs in get_after_restore():
            hook(*args, **kwargs)
    else:
        print(json.dumps({"answer": handler(event, context)}))
"""


@dataclass(frozen=True)
class Said:
    """What a function wrote while it was invoked, a document a line, and how it ended."""

    code: int
    lines: list[Any]
    errors: str

    def of(self, message: str) -> list[Any]:
        """The log's lines with this message."""
        return [line for line in self.lines if line.get("message") == message]

    def values(self, metric: str) -> list[Any]:
        """A metric's values, as CloudWatch is told of them."""
        return [line[metric] for line in self.lines if "_aws" in line and metric in line]


def make_package(folder: Path, lock: str = "lambda") -> None:
    """Fill the folder with what the lock file names and with rtp, and trim it."""
    names = [line.partition("==")[0] for line in (ROOT / f"requirements-{lock}.lock").read_text("utf-8").split()]
    for name in [*names, *_WANTED_HERE]:
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                _link(Path(str(file.locate())), folder / file)
    for package in ("core", "rtp_client"):
        shutil.copytree(ROOT / package, folder / package)
    trim(folder)
    hooks = "snapshot_restore_py.py"  # Lambda's Pythons bring it along
    shutil.copy(str(distribution("snapshot-restore-py").locate_file(hooks)), folder / hooks)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)
    bytecode = Path(cache_from_source(str(source)))
    if source.suffix == ".py" and bytecode.exists():
        (target.parent / "__pycache__").mkdir(exist_ok=True)
        (target.parent / "__pycache__" / bytecode.name).symlink_to(bytecode)


def invoke(
    package: Path, config: str, events: Sequence[Any], environ: Mapping[str, str], *, of: str = "core.handler"
) -> Said:
    """Start the function as Lambda does, with nothing but its package, and invoke it with each event in turn.

    The event `restored` wakes it from a snapshot.
    """
    (package / "rtp.yaml").write_text(config, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-S", "-c", _INVOKE, f"{of}.lambda_function"],
        input=json.dumps(events),
        env={
            "PYTHONPATH": str(package),
            "LAMBDA_TASK_ROOT": str(package),
            "AWS_DEFAULT_REGION": "us-east-1",
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Said(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)
