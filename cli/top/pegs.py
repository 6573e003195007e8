"""Pegs as a board shows them: how far each price is from where it should be, and since when it is off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cli.top.market import MOST_MOVERS, EntityKey, SeenMarket, finite
from core.settings.rules import rule_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from core.settings.watches import Watch


@dataclass(frozen=True)
class PegTarget:
    """Where a price should be; `deviation_bps` away from it, it is off its peg."""

    value: float
    deviation_bps: float


@dataclass(frozen=True)
class PegRow:
    """A price beside its peg. `since` is when it left; None where it is on its peg, or nobody knows since when."""

    key: EntityKey
    value: str | None
    target: PegTarget
    distance_bps: float
    is_off: bool
    since: datetime | None


def targets_of(watches: Iterable[Watch]) -> Callable[[EntityKey], PegTarget | None]:
    """Who has which peg, by the watches' rules."""
    values = [watch for watch in watches if watch.has_value and watch.about.has_peg]

    @lru_cache(maxsize=MOST_MOVERS)
    def target_of(key: EntityKey) -> PegTarget | None:
        pegs = (rule_for(watch, key.chain, key.entity).peg for watch in values if watch.kind == key.kind)
        peg = next(filter(None, pegs), None)
        return PegTarget(float(peg.value), float(peg.deviation_bps)) if peg is not None else None

    return target_of


def peg_rows(
    market: SeenMarket, target_of: Callable[[EntityKey], PegTarget | None], off_peg: Mapping[EntityKey, datetime]
) -> Iterator[PegRow]:
    """All prices that have a peg, in no order. `off_peg` is what a database knows, beyond the events that were seen."""
    for key, mover in market.movers.items():
        target = target_of(key)
        value = finite(mover.value)
        if target is None or value is None:
            continue
        distance_bps = (value / target.value - 1) * 10_000
        since = mover.off_peg_since or off_peg.get(key)
        is_off = since is not None or abs(distance_bps) >= target.deviation_bps
        yield PegRow(key, mover.value, target, distance_bps, is_off, since)
