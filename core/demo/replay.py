"""`rtp run --demo --feed FILE.csv`: real history as steps of the demo.

The header says what a file holds. Accepted, in any column order, further columns ignored, plain or `.gz`:

    TVL        time, protocol, chain, tvl_usd     optional: source
    prices     time, token, chain, price_usd      optional: confidence, source
    protocols  name, category                     optional: time, protocol, chain, url, audits, parent, source

`time` may be called `time_utc`, `updated_at` or `timestamp`; it holds ISO 8601 (UTC where it names no zone)
or seconds since 1970. Without a `protocol` column a protocol's name makes its id: `Aave V3` is `aave-v3`.
Rows without a source get the file's stem. Lines before the header that start with `#` are skipped.

A file is read as it is written: rows in file order, one step per run of equal times, so memory stays bounded
whatever the file's size. An error in the file is one FeedError that names the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from core.demo.change import FeedStep
from core.demo.layout import LAYOUTS, CellError, Layout, recognise, row_time
from core.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from core.demo.change import Change

MAX_ROWS_PER_STEP = 1000
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL cannot store, and the surrogates that the decoder puts for bytes that are not UTF-8."""

_HEADERS = "Accepted headers are " + "; ".join(layout.accepted for layout in LAYOUTS)


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A history file whose header rtp understands."""

    path: Path
    layout: Layout

    @classmethod
    def open(cls, path: Path) -> FeedFile:
        """Read the header only, so that a wrong file is refused before anything is started."""
        with _reading(path) as text:
            columns, _ = _header(path, text)
        layout = recognise(frozenset(column.lower() for column in columns))
        if layout is None:
            found = ", ".join(columns)[:200]
            raise FeedError(f"{path} has columns that fit no feed: {found!r}", _HEADERS)
        return cls(path, layout)

    def steps(self) -> Iterator[FeedStep]:
        """The history, step by step, read while it is consumed."""
        return _grouped(self._rows())

    def _rows(self) -> Iterator[tuple[datetime | None, Change]]:
        source = self.path.name.removesuffix(".gz").removesuffix(".csv")
        with _reading(self.path) as text:
            header, lines_before = _header(self.path, text)
            columns = [column.lower() for column in header]
            reader = csv.reader(text, strict=True)
            try:
                for cells in reader:
                    if cells:
                        row = _row(columns, cells)
                        yield row_time(row), self.layout.parse(row, source)
            except (CellError, csv.Error) as error:
                line = lines_before + reader.line_num
                raise FeedError(f"{self.path}, line {line}: {error}", "Correct or remove the line") from error


def _grouped(rows: Iterable[tuple[datetime | None, Change]]) -> Iterator[FeedStep]:
    """Runs of equal time as steps. A run is cut where a row comes again, as one statement can write a row only once."""
    at: datetime | None = None
    changes: dict[tuple[str, ...], Change] = {}
    for time, change in rows:
        if changes and (time != at or change.key in changes or len(changes) == MAX_ROWS_PER_STEP):
            yield FeedStep(tuple(changes.values()), at)
            changes = {}
        at = time
        changes[change.key] = change
    if changes:
        yield FeedStep(tuple(changes.values()), at)


@contextmanager
def _reading(path: Path) -> Iterator[IO[str]]:
    """The file's text, unpacked. An error of the system or the decoder becomes a FeedError."""
    try:
        with path.open("rb") as raw:
            unpacked = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
            with io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
                yield text
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FeedError(f"{path} cannot be read: {reason}", "Name a .csv or .csv.gz file") from error


def _header(path: Path, text: IO[str]) -> tuple[list[str], int]:
    """The column names, and how many lines they and the comments before them took."""
    for lines, line in enumerate(text, start=1):
        if line.strip() and not line.startswith("#"):
            columns = next(csv.reader([line]))
            return [column.strip() for column in columns], lines
    raise FeedError(f"{path} has no header", _HEADERS)


def _row(columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise CellError(f"{len(cells)} cells under {len(columns)} columns")
    if any(_NOT_TEXT.search(cell) for cell in cells):
        raise CellError("not UTF-8 text that PostgreSQL could store")
    return dict(zip(columns, cells, strict=True))
