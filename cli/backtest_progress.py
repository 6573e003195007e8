"""How far `rtp backtest` is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.output import err

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.detection.history import FileHistory, TableHistory

_LINE_SECONDS = 5.0


@contextmanager
def progress(samples: FileHistory | TableHistory, what: str, readings: int = 1) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; elsewhere a line now and then where it takes long."""
    if not err.is_terminal:
        yield _Lines(samples, what, readings).tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=samples.count() * readings or None)
        yield lambda done: bar.update(task, completed=done)


class _Lines:
    """Progress where there is no terminal."""

    def __init__(self, samples: FileHistory | TableHistory, what: str, readings: int) -> None:
        self._samples, self._what, self._readings = samples, what, readings
        self._of: str | None = None
        self._told_at = time.monotonic()

    def tell(self, done: int) -> None:
        """A line, unless the last one is recent."""
        if time.monotonic() - self._told_at < _LINE_SECONDS:
            return
        if self._of is None:
            total = self._samples.count() * self._readings
            self._of = f" of {total:,}" if total else ""  # of a view nobody knows
        err.print(f"{self._what}: {done:,}{self._of}", markup=False)
        self._told_at = time.monotonic()
