"""Samples to judge in one go, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from core.judging.judge_cursor import JudgeCursor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from core.judging.sample import EntityKey, SampleRow


@dataclass(frozen=True)
class Portion:
    """Samples in the order in which they are to be judged, and where the cursor stands once they are.

    `watch` is whose they are, None for samples of all watches that keep up.
    """

    rows: Sequence[SampleRow]
    watch: int | None
    cursor: JudgeCursor = field(default_factory=JudgeCursor)


def renaming_watches(rows: Iterable[SampleRow]) -> set[int]:
    """The watches of which entities are called otherwise from one of these rows on."""
    return {row.watch for row in rows if row.what == "renamed"}


def in_judging_order(rows: Sequence[SampleRow], histories: Collection[int]) -> list[SampleRow]:
    """Rows that come as logged, entity by entity, and those of a history by their own time.

    Where entities are renamed, what one was called before is another's word: all of that watch stays as logged.

    In many small steps: while a whole piece is sorted at once, no other thread of this process runs.
    """
    renaming = renaming_watches(rows)
    by_entity: dict[EntityKey, list[SampleRow]] = {}
    for row in rows:
        by_entity.setdefault((row.watch, "", "") if row.watch in renaming else row.key, []).append(row)
    for (watch, _, _), samples in by_entity.items():
        if watch in histories:
            samples.sort(key=attrgetter("sampled_at"))
    return [row for entity in sorted(by_entity) for row in by_entity[entity]]
