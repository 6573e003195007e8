"""`rtp status` of a stream source for people: the long names of shards stay on one line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from cli.output import out
from cli.stream_tables import stream_tables
from core.inspection.stream_picture import ShardFigures, StreamInspection, TableFigures, Ticks

SHARD = "shardId-00000001414576573621-f55eea83"
NOW = datetime(2026, 11, 27, tzinfo=UTC)
TABLE = TableFigures(
    "prices", ["prices"], "ACTIVE", "NEW_AND_OLD_IMAGES", 9, [ShardFigures(SHARD, "open", None, None, None, None)], None
)
SEEN = StreamInspection(NOW, "redis://x", [TABLE], [], [], Ticks(None, 0, None, 0), [], [])


@pytest.mark.parametrize(("width", "shown"), [(80, "…f55eea83"), (200, SHARD)])
def test_a_shard_is_named_on_one_line(width: int, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", width)
    console = Console(width=width)
    with console.capture() as captured:
        console.print(stream_tables(SEEN))
    (line,) = [line for line in captured.get().splitlines() if line.startswith("prices") and "open" in line]
    assert shown in line.split()
