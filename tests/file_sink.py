"""A sink of the tests' own, whole in this file: it appends events to a file. `FILE` is all that rtp needs of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.leading.epoch import UNFENCED, Epoch
from core.settings.fields import SettingsModel, Text
from core.sinks import Outcome, Rejection, Sink
from core.sinks.sink_type import Destination, SinkType
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.settings.models import Settings
    from rtp_client.event import Event

LONGEST_LINE = 100_000


class FileSettings(SettingsModel):
    path: Text | None = None


class FileSink(Sink):
    name = "file"
    service = "File"
    batch_size = 100
    poll_interval_seconds = 0.01

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.epoch: Epoch = UNFENCED
        self._path = path

    def open(self) -> None:
        self._append([])

    def deliver(self, events: Sequence[Event]) -> Outcome:
        short = [event for event in events if len(event.json_bytes) <= LONGEST_LINE]
        self._append([event.json_bytes + b"\n" for event in short])
        return Outcome(rejected=[Rejection(event, "too long") for event in events if event not in short])

    def close(self) -> None:
        pass

    def _append(self, lines: Sequence[bytes]) -> None:
        try:
            with self._path.open("ab") as file:
                file.writelines(lines)
        except OSError as error:
            raise SinkUnavailable(self.service, self.address, str(error)) from error


def _destinations(settings: Settings) -> Iterator[Destination]:
    if path := settings.section("file", FileSettings).path:
        yield Destination(FileSink.name, partial(FileSink, Path(path)))


FILE = SinkType("file", FileSettings, _destinations, asked_for_by="file.path", variables={"RTP_FILE_PATH": "path"})


class FileBench:
    """What the conformance tests need to know of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "events.jsonl"
        self.sink = FileSink(self._path)

    def received(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_bytes().splitlines()]

    def latest(self) -> dict[str, Any]:
        return max(self.received(), key=lambda event: str(event["sequence"]))

    def poison(self, sequence: int) -> Event:
        return make_event(sequence, "x" * LONGEST_LINE)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        aside = self._path.rename(self._folder / "aside")
        self._path.mkdir()
        yield
        self._path.rmdir()
        aside.rename(self._path)

    @contextmanager
    def crashed(self) -> Iterator[None]:
        aside = self._folder.rename(self._folder.with_name("aside"))
        yield
        aside.rename(self._folder)
