"""A client of the hub, without a network: what it was sent, and whether it reads."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from core.gateway.reach import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.gateway.hub import Hub
    from core.gateway.outlet import CloseCode, Document
    from core.gateway.reach import Reach

Sent = dict[str, Any]


class RecordingOutlet:
    """`room` is how many more messages it takes before its buffer is full."""

    def __init__(self, hub: Hub, *, reach: Reach = EVERYTHING, room: int = 1_000_000) -> None:
        self.room = room
        self.sent: list[Sent] = []
        self.closed: tuple[CloseCode, str] | None = None
        self._changed = asyncio.Event()
        self.session = hub.connect(self, reach)

    @property
    def has_room(self) -> bool:
        return self.room > 0

    def send(self, kind: str, document: Document, position: str | None) -> None:
        message = json.loads(b"".join(document))
        assert message["type"] == kind
        assert kind != "event" or message["position"] == position
        self.sent.append(message)
        self.room -= 1
        self._changed.set()

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code, reason
        self._changed.set()

    def read(self, messages: int = 1_000_000) -> None:
        """Make room for so many more."""
        self.room += messages
        self.session.writable()

    def ask(self, kind: str, **members: Any) -> None:
        self.session.receive(json.dumps({"type": kind, **members}))

    def subscribe(self, name: str = "a", **members: Any) -> None:
        self.ask("subscribe", id=name, **members)

    def of_type(self, kind: str) -> list[Sent]:
        return [message for message in self.sent if message["type"] == kind]

    def sequences(self, name: str = "a") -> list[int]:
        """Those of the events that a subscription was sent."""
        return [int(one["event"]["sequence"]) for one in self.of_type("event") if one["id"] == name]

    async def until(self, condition: Callable[[RecordingOutlet], object]) -> None:
        """Wait until it holds for what was sent."""
        async with asyncio.timeout(30):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def next(self, kind: str, count: int = 1) -> Sent:
        """The message of this type and number, as soon as it is there."""
        await self.until(lambda _: len(self.of_type(kind)) >= count)
        return self.of_type(kind)[count - 1]
