"""The board as one JSON document, for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.top.pegs import peg_rows
from cli.top.sorting import MOVER_ORDERS, PEG_ORDERS, sorted_movers, sorted_pegs
from rtp_client.event import format_time

if TYPE_CHECKING:
    from cli.top.market import EntityKey, Mover, SeenMarket
    from cli.top.pegs import PegRow
    from cli.top.selection import BoardSelection
    from cli.top.sinks import RtpState
    from cli.top.world import BoardWorld


_TOLD = ("change_pct", "reason", "severity", "confidence", "provenance", "detected_at")


def board_document(market: SeenMarket, state: RtpState, world: BoardWorld, shown: BoardSelection) -> dict[str, Any]:
    """What the board shows now: movers with the largest moves first, pegs with those furthest off first, sinks."""
    now = world.clock()
    movers = filter(shown.has_mover, market.movers.values())
    pegs = (peg for peg in peg_rows(market, world.peg_of, state.off_peg) if shown.has_name(peg.key))
    return {
        "movers": [_mover(one, now) for one in sorted_movers(movers, MOVER_ORDERS[0], now, is_reversed=False)],
        "pegs": [_peg(one) for one in sorted_pegs(pegs, PEG_ORDERS[0], is_reversed=False)],
        "sinks": [asdict(sink) for sink in state.sinks],
        "troubles": list(state.troubles),
    }


def _mover(mover: Mover, now: float) -> dict[str, Any]:
    data = mover.event.data if mover.event else None
    told = {name: getattr(data, name, None) for name in _TOLD}
    moved = mover.move_pct(now)
    return _named(mover.key) | {"value": mover.value, "move_pct_15min": moved and round(moved, 6)} | told


def _peg(peg: PegRow) -> dict[str, Any]:
    return _named(peg.key) | {
        "value": peg.value,
        "target": float(peg.peg.value),
        "deviation_bps": float(peg.peg.deviation_bps),
        "distance_bps": float(peg.distance_bps),
        "is_off": peg.is_off,
        "off_since": None if peg.since is None else format_time(peg.since),
    }


def _named(key: EntityKey) -> dict[str, Any]:
    return dict(key._asdict())
