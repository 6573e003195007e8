"""A CSV file of history, plain or `.gz`, whose header says what its rows mean.

Columns may stand in any order, further ones are ignored. Lines before the header that start with `#` are skipped. A
file is read as it is written, in bounded memory. An error in it is one FeedError that names the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import IO, TYPE_CHECKING, Generic

from core.demo.layout import CellError, Layout, Parsed_co, recognise, row_time
from core.errors import FeedError
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL cannot store, and the surrogates that the decoder puts for bytes that are not UTF-8."""


@dataclass(frozen=True, slots=True)
class CsvFile(Generic[Parsed_co]):
    """A file whose header rtp understands."""

    path: Path
    layout: Layout[Parsed_co]
    columns: frozenset[str] = frozenset()

    def rows(self, zone: tzinfo = UTC) -> Iterator[tuple[datetime | None, Parsed_co]]:
        """Each row's time and meaning, in the file's order, read while they are consumed.

        A time that names no zone is one of `zone`.
        """
        source = self.path.name.removesuffix(".gz").removesuffix(".csv")
        with _reading(self.path) as text:
            header, lines_before = _header(self.path, text, ())
            columns = [column.lower() for column in header]
            reader = csv.reader(text, strict=True)
            try:
                for cells in reader:
                    if cells:
                        row = _row(columns, cells)
                        yield row_time(row, zone), self.layout.parse(row, source)
            except (CellError, csv.Error) as error:
                line = lines_before + reader.line_num
                raise FeedError(f"{self.path}, line {line}: {error}", "Correct or remove the line") from error


def open_csv(path: Path, layouts: Sequence[Layout[Parsed_co]]) -> CsvFile[Parsed_co]:
    """Read the header only, so that a wrong file is refused before anything is started. Raises FeedError."""
    with _reading(path) as text:
        columns, _ = _header(path, text, layouts)
    known = frozenset(column.lower() for column in columns)
    layout = recognise(known, layouts)
    if layout is None:
        found = ", ".join(columns)[:200]
        raise FeedError(f"{path} has columns that fit no feed: {found!r}", _accepted(layouts))
    return CsvFile(path, layout, known)


def _accepted(layouts: Iterable[Layout[object]]) -> str:
    return "Accepted headers are " + "; ".join(layout.accepted for layout in layouts)


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


def _header(path: Path, text: IO[str], layouts: Iterable[Layout[object]]) -> tuple[list[str], int]:
    """The column names, and how many lines they and the comments before them took."""
    for lines, line in enumerate(text, start=1):
        if line.strip() and not line.startswith("#"):
            columns = next(csv.reader([line]))
            return [column.strip() for column in columns], lines
    raise FeedError(f"{path} has no header", _accepted(layouts))


def _row(columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise CellError(f"{counted(len(cells), 'cell')} under {counted(len(columns), 'column')}")
    if any(_NOT_TEXT.search(cell) for cell in cells):
        raise CellError("not UTF-8 text that PostgreSQL could store")
    return dict(zip(columns, cells, strict=True))
