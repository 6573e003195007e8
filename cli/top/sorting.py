"""The orders in which a board shows its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.top.market import moment_of
from rtp_client.event_filter import SEVERITY_RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cli.top.market import Mover
    from cli.top.pegs import PegRow

MOVER_ORDERS = ("15 min", "change", "age", "sev", "entity", "kind", "chain")
"""The columns that movers are sorted by, in the order in which a key goes through them."""
PEG_ORDERS = ("bps", "entity", "chain")
FIRST_IS_LEAST = frozenset({"age", "entity", "kind", "chain"})
"""Of the other columns the largest comes first."""


def sorted_movers(movers: Iterable[Mover], column: str, now: float, *, is_reversed: bool) -> list[Mover]:
    """Largest moves first, newest first, or by name; what has no such value comes last."""
    keys: Mapping[str, Callable[[Mover], Any]] = {
        "15 min": lambda mover: -abs(mover.move_pct(now) or 0.0),
        "change": lambda mover: -abs(float(mover.event.data.change_pct or 0)) if mover.event else 1.0,
        "age": lambda mover: -moment_of(mover.event).timestamp() if mover.event else 0.0,
        "sev": lambda mover: -SEVERITY_RANK[mover.event.data.severity] if mover.event else 1,
        "entity": lambda mover: mover.key.entity.casefold(),
        "kind": lambda mover: mover.key.kind,
        "chain": lambda mover: mover.key.chain.casefold(),
    }
    by_name = sorted(movers, key=lambda mover: (mover.key.entity.casefold(), mover.key))
    return sorted(by_name, key=keys[column], reverse=is_reversed)


def sorted_pegs(pegs: Iterable[PegRow], column: str, *, is_reversed: bool) -> list[PegRow]:
    """Those furthest off first, or by name."""
    keys: Mapping[str, Callable[[PegRow], Any]] = {
        "bps": lambda peg: -abs(peg.distance_bps),
        "entity": lambda peg: peg.key.entity.casefold(),
        "chain": lambda peg: peg.key.chain.casefold(),
    }
    by_name = sorted(pegs, key=lambda peg: (peg.key.entity.casefold(), peg.key))
    return sorted(by_name, key=keys[column], reverse=is_reversed)
