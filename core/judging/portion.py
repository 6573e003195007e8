"""Samples to judge in one go, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.judging.judge_cursor import JudgeCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from core.judging.sample import SampleRow


@dataclass(frozen=True)
class Portion:
    """Samples in the order in which they are to be judged, and where the cursor stands once they are.

    `watch` is whose they are, None for samples of all watches that keep up.
    """

    rows: Sequence[SampleRow]
    watch: int | None
    cursor: JudgeCursor = field(default_factory=JudgeCursor)


def judging_order(histories: Collection[int]) -> Callable[[SampleRow], tuple[Any, ...]]:
    """The key by which samples are judged: per entity, those of a history by their own time, all others as logged."""

    def key(row: SampleRow) -> tuple[Any, ...]:
        at = (row.sampled_at,) if row.watch in histories else ()
        return (row.watch, row.chain, row.entity, *at, row.id)

    return key
