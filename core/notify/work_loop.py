"""A thread of `rtp notify`, from start to stop."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class WorkLoop(ABC):
    """Runs in a thread of its own until told to stop."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notify_{name}", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, within_seconds: float | None = None) -> None:
        """End after what is under way, unless that takes longer."""
        self._stopping.set()
        self._thread.join(within_seconds)

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stopping` is set."""
