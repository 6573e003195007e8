"""What a consumer has got, noted so that a kill -9 takes nothing back: a file per process, a line per event."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Receipts:
    """A consumer's side. What is noted counts as taken once it is flushed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        path = folder / f"{time.time_ns()}-{os.getpid()}"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lines: list[str] = []

    def note(self, entity: str, number: str, changed_at: str) -> None:
        """An event is here: the entity's how many'th it is, and the update's own clock."""
        self._lines.append(f"{time.time():.6f}|{entity}|{number}|{changed_at}\n")

    def flush(self) -> None:
        """Hand all notes to the operating system, which outlives this process."""
        if self._lines:
            os.write(self._file, "".join(self._lines).encode())
            self._lines.clear()


@dataclass(frozen=True, slots=True)
class Receipt:
    """One event at a consumer; both times are Unix time, of one machine's clock."""

    entity: str
    number: int
    changed_at: float
    received_at: float


class Inbox:
    """The other side: what all consumers of one peer have got, read as it comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> list[Receipt]:
        """What has come since the last time, in the order in which each process got it."""
        return [_receipt(line) for line in self._new_lines()]

    def _new_lines(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("*")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                text = file.read()
            # A process killed while it wrote may leave half a line: that event was not acknowledged either.
            whole = text[: text.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            yield from whole.decode().splitlines()


def _receipt(line: str) -> Receipt:
    received_at, entity, number, changed_at = line.split("|", 3)
    return Receipt(entity, int(number), datetime.fromisoformat(changed_at).timestamp(), float(received_at))
