"""`rtp run --demo --feed FILE.csv`: real history as steps of the demo.

The header says what a file holds. Accepted, in any column order, further columns ignored, plain or `.gz`:

    TVL        time, protocol, chain, tvl_usd     optional: source
    prices     time, token, chain, price_usd      optional: confidence, source
    protocols  name, category                     optional: time, protocol, chain, url, audits, parent, source

`time` may be called `time_utc`, `updated_at` or `timestamp`; it holds ISO 8601 (UTC where it names no zone)
or seconds since 1970. Without a `protocol` column a protocol's name makes its id: `Aave V3` is `aave-v3`.
Rows without a source get the file's stem. Rows come in the file's order, one step per run of equal times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.demo.change import FeedStep
from core.demo.csv_file import CsvFile, open_csv
from core.demo.layout import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from core.demo.change import Change

MAX_ROWS_PER_STEP = 1000


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A file of history for the demo's tables."""

    file: CsvFile[Change]

    @classmethod
    def open(cls, path: Path) -> FeedFile:
        """Read the header. Raises FeedError for a file that is no feed."""
        return cls(open_csv(path, LAYOUTS))

    def steps(self) -> Iterator[FeedStep]:
        """The history, step by step, read while it is consumed."""
        return _grouped(self.file.rows())


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
