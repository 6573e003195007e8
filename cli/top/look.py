"""One look at what the board shows, as JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cli.output import print_problem
from cli.top.document import board_document
from cli.top.market import SeenMarket
from cli.top.sinks import RtpState
from cli.top.world import Notice
from core.errors import RtpError

if TYPE_CHECKING:
    from cli.top.selection import BoardSelection
    from cli.top.world import BoardWorld

_LONGEST_LOOK_SECONDS = 10.0
_TICK_SECONDS = 0.02


def look_once(world: BoardWorld, selection: BoardSelection, *, is_state_told: bool) -> dict[str, Any]:
    """What is known once the snapshot is complete, and rtp's state, where somebody tells it, was told."""
    market, state = SeenMarket(), RtpState()
    deadline = time.monotonic() + _LONGEST_LOOK_SECONDS
    while not (market.is_complete and is_state_told) and time.monotonic() < deadline and not world.is_over():
        for message in world.inbox.take():
            if isinstance(message, RtpState):
                state, is_state_told = message, True
            elif isinstance(message, Notice):
                print_problem(message.text)
            elif isinstance(message, RtpError):
                raise message
            market.take_message(message)
        time.sleep(_TICK_SECONDS)
    return board_document(market, state, world, selection)
