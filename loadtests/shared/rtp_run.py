"""`rtp run` as users run it: a process of its own, which can be hurt, and started again."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from core.errors import RtpError
from core.own_python import own_module
from core.settings.models import postgres_dsn
from loadtests.shared.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.settings.models import Settings

_LAUNCHER = Path(__file__).with_name("launch.py")
_START_SECONDS = 30
_END_SECONDS = 30
_LINES_KEPT = 8


class RtpRun:
    """Started by `with`, or by `start`. What the settings leave out, it does without.

    `on_status` hears each status line, `on_problem` each line on standard error once the process is up; both on
    threads of their own. `unexpected_ends` lists the ends that nobody asked for.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *options: str,
        name: str = "rtp run",
        on_status: Callable[[Mapping[str, Any]], object] = lambda _: None,
        on_problem: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.name = name
        self.starts = 0
        self.unexpected_ends: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="rtp-run-")
        config = Path(self._folder.name, "rtp.yaml")
        write_config(settings, config)
        self._command = command(config, *options)
        self._environ = {**environ, **addresses_of(settings)}
        self._on_status, self._on_problem = on_status, on_problem
        self._process: Process | None = None
        self._is_up = threading.Event()
        self._is_ending = False
        self._said: deque[str] = deque(maxlen=_LINES_KEPT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()
        self._folder.cleanup()

    @property
    def pid(self) -> int | None:
        """The process's id; None where there is no process. It may be paused."""
        return self._process.pid if self._process is not None and self._process.exit_code is None else None

    def start(self) -> None:
        """Start it; harmless where it runs."""
        if self.pid is not None:
            return
        self.note_unexpected_end()
        self._is_up.clear()
        self._is_ending = False
        self._process = Process(
            self._command, self._environ, on_line=self._hear_status, on_complaint=self._hear_complaint
        )
        self.starts += 1

    def wait_until_up(self) -> None:
        """Wait until every sink has begun. Raises RtpError where that does not come."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_up.wait(0.1):
            self.check()
            if time.monotonic() > deadline:
                raise RtpError(f"{self.name} gave no sign of life within {_START_SECONDS} s")

    def wait_until_it_ends(self, within_seconds: float) -> None:
        """Wait for an end of its own. Raises RtpError where that does not come, or is a failure."""
        assert self._process is not None
        if not self._process.wait(within_seconds):
            raise RtpError(f"{self.name} did not end within {within_seconds:.0f} s")
        if self._process.exit_code:
            self.check()

    def check(self) -> None:
        if self._process is not None and self._process.exit_code is not None:
            raise RtpError(f"{self.name} {self._process.how_it_ended()}")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """An orderly end; killed where that takes too long, which is noted."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def note_unexpected_end(self) -> None:
        """Look whether it has ended by itself."""
        if self._process is not None and self._process.exit_code is not None:
            self.unexpected_ends.append(f"{self.name} {self._process.how_it_ended()}")
            self._process = None

    def last_words(self) -> str:
        """The last lines that it has written to standard error, also before it was started again."""
        return " | ".join(self._said)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send(number)

    def _end(self, number: signal.Signals) -> None:
        self.note_unexpected_end()
        if self._process is None:
            return
        self._is_ending = True
        if not self._process.end(number, _END_SECONDS):
            self.unexpected_ends.append(f"{self.name} did not end within {_END_SECONDS} s of {number.name}")
        self._process = None

    def _hear_status(self, line: str) -> None:
        status = json.loads(line)
        if status["sinks"] and all(sink["state"] != "starting" for sink in status["sinks"]):
            self._is_up.set()
        self._on_status(status)

    def _hear_complaint(self, text: str) -> None:
        """A summary comes first, then only problems."""
        self._said.append(text)
        if self._is_up.is_set() and not self._is_ending:
            self._on_problem(text)


def command(config: Path, *options: str) -> list[str]:
    """The command line, with a status line of JSON now and then. The process dies with the one that starts it."""
    run = own_module("cli", "run", "--json", "--config", str(config), *options)
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *run]


def write_config(settings: Settings, file: Path) -> None:
    """Write the settings for `rtp run`, without the addresses, which hold passwords."""
    document = settings.own_document()  # a load test posts to no webhook
    for section, key in (("postgres", "dsn"), ("redis", "url"), ("sqs", "endpoint_url"), ("sqs", "queue")):
        document[section].pop(key, None)
    file.write_text(json.dumps(document), encoding="utf-8")


def addresses_of(settings: Settings) -> dict[str, str]:
    """The addresses as `rtp run` finds them in its environment; what there is none of is empty."""
    return {
        "RTP_POSTGRES_DSN": postgres_dsn(settings),
        "RTP_REDIS_URL": settings.redis.url or "",
        "RTP_SQS_ENDPOINT_URL": settings.sqs.endpoint_url or "",
        "RTP_SQS_QUEUE": settings.sqs.queue or "",
    }


def environ_without_addresses() -> dict[str, str]:
    """This process's environment, without what would lead rtp or boto3 elsewhere."""
    inherited = {name: value for name, value in os.environ.items() if name[:4] not in ("RTP_", "AWS_")}
    return inherited | {"AWS_CONFIG_FILE": os.devnull}
