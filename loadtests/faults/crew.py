"""What writes and reads all through a fault run: threads that do their jobs until told to stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Crew:
    """A thread for each job. A job ends once `_stopping` is set; a run that breaks off does not wait for it."""

    def __init__(self, jobs: Sequence[Callable[[], None]]) -> None:
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what is under way is finished first."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
