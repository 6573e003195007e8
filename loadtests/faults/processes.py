"""`rtp run` as users run it, one process or several, hurt and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from core.stack.process import LAUNCHER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_END_SECONDS = 20
_TAIL_BYTES = 2000


class Rtp:
    """One `rtp run`. `unexpected` lists the ends that nobody asked for: there must be none."""

    def __init__(self, name: str, config: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.unexpected: list[str] = []
        self.starts = 0
        # It dies with this process, and hears nothing of a Ctrl-C that is meant for the suite.
        orders = [str(number) for number in (os.getpid(), int(signal.SIGKILL), -1, -1)]
        command = [sys.executable, "-m", "cli", "run", "--config", str(config), "--json"]
        self._command = [sys.executable, "-I", "-S", str(LAUNCHER), *orders, *command]
        self._environment = dict(environment)
        self._log = config.parent / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process exists; it may be paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process, where there is one."""
        return self._process.pid if self._process is not None and self.is_running else None

    def start(self) -> None:
        """Start it; harmless where it runs."""
        if self.is_running:
            return
        self.note_unexpected_end()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1

    def kill(self) -> None:
        """Kill -9."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """An orderly end; killed where that takes too long, which is noted."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def note_unexpected_end(self) -> None:
        """Look whether it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            self.unexpected.append(f"{self.name} ended by itself with code {self._process.returncode}: {self.tail()}")
            self._process = None

    def tail(self) -> str:
        """The end of what it has written to standard error."""
        text = b""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
                text = log.read()
        return " | ".join(text.decode(errors="replace").splitlines()[-8:])

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self.note_unexpected_end()
        if self._process is None:
            return
        self._send(number)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.unexpected.append(f"{self.name} did not end within {_END_SECONDS} s of {number.name}: {self.tail()}")
            self._process.kill()
            self._process.wait()
        self._process = None


def environment_of(**variables: str) -> dict[str, str]:
    """This process's own, without what would lead rtp elsewhere."""
    inherited = {name: value for name, value in os.environ.items() if name[:4] not in ("RTP_", "AWS_")}
    return inherited | variables
