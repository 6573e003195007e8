"""Pegs as a board shows them: how far each price is from where it should be, and since when it is off."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from cli.top.market import MOST_MOVERS, EntityKey, SeenMarket
from core.detection.peg import distance_bps
from core.settings.rules import rule_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from core.settings.peg import Peg
    from core.settings.watches import Watch


@dataclass(frozen=True)
class PegRow:
    """A price beside its peg. `since` is when it left; None where it is on its peg, or nobody knows since when."""

    key: EntityKey
    value: str | None
    peg: Peg
    distance_bps: Decimal
    is_off: bool
    since: datetime | None


def pegs_of(watches: Iterable[Watch]) -> Callable[[EntityKey], Peg | None]:
    """Who has which peg, by the watches' rules."""
    values = [watch for watch in watches if watch.has_value and watch.about.has_peg]

    @lru_cache(maxsize=MOST_MOVERS)
    def peg_of(key: EntityKey) -> Peg | None:
        pegs = (rule_for(watch, key.chain, key.entity).peg for watch in values if watch.kind == key.kind)
        return next(filter(None, pegs), None)

    return peg_of


def peg_rows(
    market: SeenMarket, peg_of: Callable[[EntityKey], Peg | None], off_peg: Mapping[EntityKey, datetime]
) -> Iterator[PegRow]:
    """All prices that have a peg, in no order. `off_peg` is what a database knows, beyond the events that were seen."""
    for key, mover in market.movers.items():
        if mover.value is None or (peg := peg_of(key)) is None:
            continue
        if (distance := distance_bps(Decimal(mover.value), peg)) is None:
            continue
        since = mover.off_peg_since or off_peg.get(key)
        is_off = since is not None or abs(distance) >= peg.deviation_bps
        yield PegRow(key, mover.value, peg, distance, is_off, since)
