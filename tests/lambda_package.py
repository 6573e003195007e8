"""The Lambda's package as `make package` makes it, but of the wheels that are installed here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infrastructure.trim_package import trim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
_WANTED_HERE = ("async-timeout",) if sys.version_info < (3, 11, 3) else ()
"""Of libraries that Lambda's newer Python does without."""
_SERVE = """
import gc, json, os, signal, sys
from importlib import import_module
from types import SimpleNamespace
from core.sinks.settings import load_settings
name = sys.argv[1]
import_module(name)
load_settings(None, environ={}, options={})  # pydantic makes a validator when it is first asked for
gc.freeze()
del sys.modules[name]  # it starts as it is imported
names = ("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id")
context = SimpleNamespace(**dict.fromkeys(names, "rtp"), get_remaining_time_in_millis=lambda: 20_000)

def run(events, environ, out, err):
    os.environ.update(environ)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    handler = import_module(name).handler
    for event in events:
        if event == "restored":
            from snapshot_restore_py import get_after_restore
            for hook, args, kwargs in get_after_restore():
                hook(*args, **kwargs)
        else:
            print(json.dumps({"answer": handler(event, context)}))

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.alarm(120)
        run(**json.loads(line))
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
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


class Function:
    """The function of a package, as Lambda starts it: with nothing but the package.

    A process that has imported what the function imports is forked for each start: that is three quarters of its CPU.
    """

    def __init__(self, package: Path, process: subprocess.Popen[str], folder: Path) -> None:
        self._package, self._process, self._folder = package, process, folder

    def invoke(self, config: str, events: Sequence[Any], environ: Mapping[str, str]) -> Said:
        """Start it, and invoke it with each event in turn. The event `restored` wakes it from a snapshot."""
        (self._package / "rtp.yaml").write_text(config, encoding="utf-8")
        out, err = self._folder / "out", self._folder / "err"
        variables = {"LAMBDA_TASK_ROOT": str(self._package), **environ}
        request = {"events": events, "environ": variables, "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline()
        assert code, "the process that is forked has ended: it has said why on standard error"
        lines = out.read_text(encoding="utf-8").splitlines()
        return Said(int(code), [json.loads(line) for line in lines], err.read_text(encoding="utf-8"))


@contextmanager
def function_of(package: Path, of: str = "core.handler") -> Iterator[Function]:
    """The function that lies there in the package."""
    command = [sys.executable, "-S", "-c", _SERVE, f"{of}.lambda_function"]
    environ = {"PYTHONPATH": str(package), "AWS_DEFAULT_REGION": "us-east-1"}
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryDirectory(prefix="rtp-function-") as folder,
        subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True) as process,
    ):
        yield Function(package, process, Path(folder))
