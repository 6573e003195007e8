"""`rtp` as users run it: a process of its own, whose output is read while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tests.eventually import eventually
from tests.forked import ForkedProcess, fork_rtp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.settings.models import Settings

ROOT = Path(__file__).parents[1]
# Far beyond what is usual: a loaded machine must not fail a test.
END_SECONDS = 60


class RtpProcess:
    """A running `rtp`."""

    def __init__(self, process: subprocess.Popen[bytes] | ForkedProcess, folder: Path) -> None:
        self.process = process
        self._folder = folder

    @property
    def out(self) -> str:
        """What it has written to standard output so far."""
        return (self._folder / "out").read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return (self._folder / "err").read_text(encoding="utf-8", errors="replace")

    @property
    def documents(self) -> list[Any]:
        """The whole lines of standard output, each a JSON document."""
        return [json.loads(line) for line in self.out.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, text: str, *, within_seconds: float = 60) -> None:
        """Wait until standard output or error holds the text."""
        try:
            eventually(lambda: text in self.out + self.err, within_seconds=within_seconds)
        except AssertionError:
            raise AssertionError(f"no {text!r} in {self.out!r} and {self.err!r}") from None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> int:
        """Wait for its end, after a signal if one is given; its exit code."""
        if number is not None:
            self.send(number)
        return self.process.wait(END_SECONDS)


@contextmanager
def rtp(*arguments: str, environ: Mapping[str, str] | None = None, is_started: bool = False) -> Iterator[RtpProcess]:
    """Run `rtp` with these arguments, forked or started; killed at the end of the block if it still runs."""
    inherited = {name: value for name, value in os.environ.items() if name == "RTP_STATE_DIR" or name[:4] != "RTP_"}
    variables = inherited | dict(environ or {})
    with tempfile.TemporaryDirectory(prefix="rtp-output-") as name:
        folder = Path(name)
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            is_forked = not is_started and _can_be_forked(arguments, environ or {})
            process = (fork_rtp if is_forked else _start_rtp)(arguments, variables, out, err)
        try:
            yield RtpProcess(process, folder)
        finally:
            process.kill()
            process.wait()


def _can_be_forked(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether that is the same: no variable is for Python itself, and nothing, as gevent, must come before imports."""
    return arguments[:1] != ("loadtest",) and not any(name.startswith(("PYTHON", "LC_")) for name in environ)


def _start_rtp(
    arguments: Sequence[str], environ: Mapping[str, str], out: BinaryIO, err: BinaryIO
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments), env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT
    )


def command(*arguments: str) -> list[str]:
    """The command line that runs `rtp`."""
    return [sys.executable, "-m", "cli", *arguments]


def environ_of(settings: Settings) -> dict[str, str]:
    """The variables that lead `rtp` to a test's own database, Redis and queue."""
    return {
        "RTP_POSTGRES_DSN": settings.postgres.dsn or "",
        "RTP_REDIS_URL": settings.redis.url or "",
        "RTP_SQS_ENDPOINT_URL": settings.sqs.endpoint_url or "",
        "RTP_SQS_QUEUE": settings.sqs.queue or "",
    }
