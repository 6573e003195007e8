"""How far the log's sequence has come is never read from the sequence's own row, which is ahead for moments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("core", "triggers", "loadtests") for path in (ROOT / folder).rglob("*.sql"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_query_reads_the_sequences_row(file: Path) -> None:
    assert not re.search(r"(FROM|JOIN|,)\s+rtp\.event_id\b", file.read_text(encoding="utf-8"), re.IGNORECASE)
