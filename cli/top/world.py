"""A board's world: what it is told and may ask, wherever that comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import TYPE_CHECKING, TypeAlias

from core.kinds import SHIPPED, Kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import RenderableType

    from cli.top.market import EntityKey, Point
    from cli.top.sinks import RtpState
    from core.settings.peg import Peg
    from rtp_client import Entry, Message, RtpError

_MOST_WAITING = 20_000
"""So many messages may wait for the board; who follows the stream then waits, and loses nothing."""


@dataclass(frozen=True)
class Notice:
    """One line that somebody should see."""

    text: str


@dataclass(frozen=True)
class Liveness:
    """Whether events can come: the connection that they come by is there."""

    is_live: bool


Told: TypeAlias = "Message | Entry | Notice | Liveness | RtpState | RtpError"


@dataclass(frozen=True)
class Details:
    """All about an entity, and its values from before the board was open."""

    about: RenderableType
    values: Sequence[Point] = ()


class BoardInbox:
    """What threads hand to the board."""

    def __init__(self) -> None:
        self._waiting: Queue[Told] = Queue(_MOST_WAITING)

    def put(self, message: Told) -> None:
        """Hand something over; waits where the board is far behind."""
        self._waiting.put(message)

    def take(self) -> Iterator[Told]:
        """All that is there."""
        for _ in range(_MOST_WAITING):
            try:
                yield self._waiting.get_nowait()
            except Empty:
                return


@dataclass(frozen=True)
class BoardWorld:
    """What a board has. `details` is all about one entity, and may take a while; `is_over` ends the board."""

    title: str
    inbox: BoardInbox
    kinds: Kinds = field(default_factory=lambda: SHIPPED)
    peg_of: Callable[[EntityKey], Peg | None] = lambda _: None
    details: Callable[[EntityKey], Details] | None = None
    remark: Callable[[], str] = lambda: ""
    is_over: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = field(default=time.time)
