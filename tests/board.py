"""`rtp top`'s board without a terminal: what somebody would read on it, and keys to press."""

from __future__ import annotations

import asyncio
import html
import re
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from textual.widgets import Input

from cli.top.board import Board
from cli.top.sinks import RtpState, SinkRow
from cli.top.world import BoardInbox, BoardWorld
from core.settings.peg import Peg
from rtp_client import Event, LiveEvent, Position
from tests.samples import NOON, make_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from textual.pilot import Pilot

    from cli.top.market import EntityKey

_CELL = 12.2
"""How wide a character is in the picture that Textual draws of a screen."""
POSITION = Position("test", 1, "1-1")
_TEXT = re.compile(r'<text class="[^"]*" x="([0-9.]+)" y="([0-9.]+)"[^>]*>([^<]*)</text>')


@dataclass(frozen=True)
class Seat:
    """Somebody's seat at a board."""

    board: Board
    pilot: Pilot[None]
    inbox: BoardInbox

    async def tell(self, *messages: Any) -> None:
        """Have the board take these, and draw."""
        for message in messages:
            self.inbox.put(LiveEvent(message, POSITION) if isinstance(message, Event) else message)
        self.board.turn()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys, and have the board draw."""
        await self.pilot.press(*keys)
        self.board.turn()
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        """Have this in the line of the filter."""
        self.board.query_one("#line", Input).value = text
        await self.tell()

    async def until(self, *words: str) -> None:
        """Wait until all these words can be read."""
        for _ in range(1000):
            await self.tell()
            if all(any(word in line for line in self.lines) for word in words):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("\n".join(self.lines))

    async def until_shown(self, name: str) -> list[str]:
        """Wait until a part has rows, as after another size the parts find their places one by one; which they are."""
        for _ in range(1000):
            await self.tell()
            if any(line.startswith(name) for line in self.lines) and (rows := self.part(name)):
                return rows
            await asyncio.sleep(0.02)
        raise AssertionError("\n".join(self.lines))

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        rows: dict[float, str] = defaultdict(str)
        for x, y, text in _TEXT.findall(self.board.export_screenshot(title="")):
            column = round(float(x) / _CELL)
            rows[float(y)] = rows[float(y)].ljust(column) + html.unescape(text).replace("\xa0", " ")
        return [rows[y].rstrip() for y in sorted(rows)]

    def line(self, *words: str) -> str:
        """The one line that has all these words."""
        (found,) = [line for line in self.lines if all(word in line for word in words)]
        return found

    def part(self, name: str) -> list[str]:
        """The rows under a head, on a board whose parts stand above one another."""
        lines = self.lines
        heads = [i for i, line in enumerate(lines) if line.startswith(("Movers", "Pegs", "Events", "Sinks"))]
        start = next(i for i in heads if lines[i].startswith(name))
        end = next((i for i in heads if i > start), len(lines))
        return [line for line in lines[start + 1 : end] if line]


def a_price(sequence: int, token: str, current: str, pct: str, **columns: Any) -> Event:
    """An event of a token's price."""
    return make_event(sequence, token, kind="price", current=current, change_pct=pct, **columns)


STATE = RtpState(
    (
        SinkRow("redis", "running", 0, 0.0, 0, events_per_second=12.0, p50_ms=2.5, p99_ms=8.25, delivered=4_711),
        SinkRow("sqs", "running", 250, 75.0, 2, is_alarming=True, events_per_second=9.0, delivered=4_461),
    )
)


def peg_of(key: EntityKey) -> Peg | None:
    """A dollar, for what is called after it."""
    return Peg() if key.entity.startswith("usd") else None


@asynccontextmanager
async def seat(size: tuple[int, int] = (80, 24), **given: Any) -> AsyncIterator[Seat]:
    """A seat at a board that nothing was told so far; ten seconds after noon."""
    world = BoardWorld(title="redis://here", inbox=BoardInbox(), peg_of=peg_of, clock=lambda: NOON.timestamp() + 10)
    async with sitting_at(replace(world, **given), size) as at:
        yield at


@asynccontextmanager
async def sitting_at(world: BoardWorld, size: tuple[int, int]) -> AsyncIterator[Seat]:
    """A seat at a board of this world."""
    board = Board(world)
    async with board.run_test(size=size) as pilot:
        yield Seat(board, pilot, world.inbox)


def sitting(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """A test that is a coroutine."""

    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run
