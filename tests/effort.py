"""How many random examples tests try: a few, always the same, for each change; many new ones by `make test-long`."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, TypeVar

from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

T = TypeVar("T")

IS_LONG = bool(os.environ.get("TEST_LONG"))

settings.register_profile("short", max_examples=15, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=1000, deadline=None)


def some(cases: Sequence[T], few: int) -> Sequence[T]:
    """All cases of a test that tries one moment or amount after the other; few per change, the outermost among them."""
    return cases if IS_LONG else [cases[round(place * (len(cases) - 1) / (few - 1))] for place in range(few)]


def amount(few: int, many: int) -> int:
    """How much of one thing a test does."""
    return many if IS_LONG else few


def seeds(few: int, many: int) -> range:
    """The seeds of a test that draws its own random steps."""
    return range(amount(few, many))


def daily_tvl(whole: Path, folder: Path) -> Path:
    """The real TVL of 713 entities over five years; of one chain's 13, with zeros and gaps, for each change."""
    if IS_LONG:
        return whole
    path = folder / "tvl.csv.gz"
    with gzip.open(whole, "rt") as history, gzip.open(path, "wt", compresslevel=1) as part:
        part.writelines(line for place, line in enumerate(history) if not place or ",xdai," in line)
    return path
