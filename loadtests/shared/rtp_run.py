"""`rtp run` as users run it, a process of its own, and what it says of itself once a second."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

from core.errors import RtpError
from core.own_python import own_module, with_own_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from core.settings.models import Settings

STATUS_SECONDS = 0.5
_START_SECONDS = 30
_END_SECONDS = 30


class RtpRun:
    """A running `rtp run`; `on_status` is called on a thread of its own with each status line."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        on_status: Callable[[Mapping[str, Any]], None],
        on_problem: Callable[[str], None],
    ) -> None:
        self._settings, self._environ = settings, environ
        self._on_status, self._on_problem = on_status, on_problem
        self._is_up = threading.Event()
        self._last_problem = ""
        self._is_ending = False

    def __enter__(self) -> Self:
        # The file holds no secret: the addresses are in the environment.
        document = self._settings.own_document()  # a load test posts to no webhook
        document["postgres"].pop("dsn", None)
        document["redis"].pop("url", None)
        document["run"]["status_interval_seconds"] = STATUS_SECONDS
        self._file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        json.dump(document, self._file)
        self._file.flush()
        self._process = subprocess.Popen(
            own_module("cli", "run", "--json", "--config", self._file.name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=with_own_path(self._environ),
            start_new_session=True,
        )
        self._threads = [threading.Thread(target=job, daemon=True) for job in (self._hear, self._hear_problems)]
        for thread in self._threads:
            thread.start()
        try:
            self._wait_until_up()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_ending = True
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(5)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        self._file.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def check(self) -> None:
        """Raise RtpError where it has ended before its time."""
        if self._process.poll() is not None:
            self._threads[1].join(1)
            raise RtpError(f"rtp run ended with exit code {self._process.returncode}: {self._last_problem}")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_up.wait(0.1):
            self.check()
            if time.monotonic() > deadline:
                raise RtpError(f"rtp run gave no sign of life within {_START_SECONDS} s")

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            status = json.loads(text)
            if status["sinks"] and all(sink["state"] != "starting" for sink in status["sinks"]):
                self._is_up.set()
            self._on_status(status)

    def _hear_problems(self) -> None:
        """What it prints besides: a summary first, then only problems."""
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            text = raw.decode(errors="replace").strip()
            self._last_problem = text or self._last_problem
            if self._is_up.is_set() and text and not self._is_ending:
                self._on_problem(text)
