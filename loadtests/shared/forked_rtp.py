"""Processes of `rtp` that begin with its modules imported: what is started hundreds of times costs no seconds each."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext, ForkServerProcess
    from pathlib import Path


class ForkedRtp:
    """Starts them; each one writes to a file of its own."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], output: Path) -> ForkServerProcess:
        """Run `rtp` with these arguments; it dies with this process."""
        process = self._context.Process(target=_run, args=(list(arguments), dict(environ), str(output)), daemon=True)
        process.start()
        return process


def kill(process: ForkServerProcess, number: signal.Signals = signal.SIGKILL) -> None:
    """Send it a signal, unless it has ended."""
    with suppress(ProcessLookupError):
        os.kill(process.pid or 0, number)


def _run(arguments: list[str], environ: dict[str, str], output: str) -> None:
    os.environ.clear()
    os.environ.update(environ)
    opened = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(opened, descriptor)
    sys.argv = ["rtp", *arguments]
    runpy.run_module("cli", run_name="__main__", alter_sys=True)
