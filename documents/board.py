"""Have the board of `rtp top` draw itself, again and again, as it follows a running demo."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cli.options import settings_from
from cli.running_demo import use_demo_if_unnamed
from cli.top.board import Board
from cli.top.worlds import world_of

if TYPE_CHECKING:
    from textual.pilot import Pilot

_SIZE = (124, 34)


def drawings_of_board(count: int, *, first_seconds: float, between_seconds: float) -> list[str]:
    """So many of its drawings, in SVG; the first one when there is something to see."""
    drawn: list[str] = []

    async def draw(pilot: Pilot[object]) -> None:
        await asyncio.sleep(first_seconds)
        for _ in range(count):
            drawn.append(pilot.app.export_screenshot(title="rtp top"))
            await asyncio.sleep(between_seconds)
        pilot.app.exit()

    settings = use_demo_if_unnamed(settings_from(None), "Redis")
    with world_of(settings) as world:
        Board(world).run(headless=True, size=_SIZE, auto_pilot=draw)
    return drawn
