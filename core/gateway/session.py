"""A client's connection: its subscriptions, and what waits for it while it is slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError
from core.gateway.messages import Subscribe, Unsubscribe, message, read_request
from core.gateway.outlet import CloseCode
from core.gateway.send_queue import SendQueue, WaitingEvent, WaitingMessage
from core.gateway.subscription import Subscription

if TYPE_CHECKING:
    from core.gateway.history import PlaceLost
    from core.gateway.hub import Hub
    from core.gateway.outlet import Document, Outlet
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.reach import Reach
    from core.gateway.send_queue import Waiting
    from rtp_client.stream.position import Position


class Session:
    """Made by `Hub.connect`. Everything is called in the event loop's thread."""

    def __init__(self, hub: Hub, outlet: Outlet, reach: Reach) -> None:
        self.reach = reach
        self.subscriptions: dict[str, Subscription] = {}
        self._hub = hub
        self.outlet = outlet
        self._queue = SendQueue(hub.limits.queue)
        self._has_room = asyncio.Event()
        self._is_closed = False

    def receive(self, text: str | bytes) -> None:
        """Do what a client's message asks for."""
        name = None
        try:
            request = read_request(text)
            match request:
                case Subscribe():
                    name = request.id
                    self._subscribe(request)
                case Unsubscribe():
                    name = request.id
                    self._unsubscribe(request.id)
                case _:
                    self.post("pong")
        except SettingsError as error:
            self.post("error", code="bad_message", message=str(error), id=name)

    def writable(self) -> None:
        """The outlet has room again."""
        while self._queue and self.outlet.has_room:
            match self._queue.take():
                case WaitingEvent(subscription, event, skipped):
                    self.outlet.send("event", subscription.document(event, skipped), event.text)
                case WaitingMessage() as waiting:
                    self.outlet.send(*waiting)
        if not self._queue and self.outlet.has_room:
            self._has_room.set()

    def close(self) -> None:
        """The connection has ended."""
        if self._is_closed:
            return
        self._is_closed = True
        for name in list(self.subscriptions):
            self._end(name)
        self._queue.clear()
        self._hub.forget(self)

    def end(self, code: CloseCode, reason: str) -> None:
        """End the connection."""
        self.outlet.close(code, reason)
        self.close()

    def lose_place(self, lost: PlaceLost) -> None:
        """What comes next does not follow what was sent: begin every subscription anew."""
        for subscription in self.subscriptions.values():
            subscription.pause()
            self._hub.begin_anew(subscription, lost)

    def post(self, kind: str, **members: Any) -> None:
        """Send a message that is no event, in its turn."""
        self.post_document(kind, message(kind, **members))

    def post_place(self, kind: str, place: Position, *, is_reached: bool, **members: Any) -> None:
        """The same, of a position; who has not `reached` it with this message needs more before going on there."""
        self.post_document(kind, message(kind, position=str(place), **members), str(place) if is_reached else None)

    def post_document(self, kind: str, document: Document, position: str | None = None) -> None:
        """The same, of one that is made."""
        if self._is_ready:
            self.outlet.send(kind, document, position)
        else:
            self._let_wait(WaitingMessage(kind, document, position))

    def offer(self, subscription: Subscription, event: PlacedEvent) -> None:
        """Send an event in its turn."""
        if self._is_ready:
            self.outlet.send("event", subscription.document(event), event.text)
        else:
            self._let_wait(WaitingEvent(subscription, event))

    async def room(self) -> None:
        """Wait until a message would go out at once."""
        while not self._is_ready:
            self._has_room.clear()
            await self._has_room.wait()

    @property
    def _is_ready(self) -> bool:
        return not self._queue and self.outlet.has_room

    def _let_wait(self, waiting: Waiting) -> None:
        if self._is_closed:
            return
        may_conflate = all(one.slow == "conflate" for one in self.subscriptions.values())
        left_out = self._queue.left_out
        if not self._queue.add(waiting, may_conflate=may_conflate):
            self._hub.counts.too_slow += 1
            self.end(CloseCode.TOO_SLOW, f"too slow: {len(self._queue)} messages waited to be read")
        self._hub.counts.conflated += self._queue.left_out - left_out

    def _subscribe(self, request: Subscribe) -> None:
        if request.id in self.subscriptions:
            raise SettingsError(f"subscribe: there is a subscription {request.id!r} already", "Choose another id")
        most = self._hub.limits.subscriptions
        if len(self.subscriptions) >= most:
            raise SettingsError(
                f"subscribe: a connection has at most {most} subscriptions",
                "End one, or name several kinds, chains or entities in one filter",
            )
        resume, wanted = request.position, request.wanted
        audience = self._hub.index.join(wanted, self.reach)
        subscription = Subscription(self, request.id, audience, slow=request.slow, wants_snapshot=request.snapshot)
        self.subscriptions[request.id] = subscription
        self._hub.begin(subscription, resume)

    def _unsubscribe(self, name: str) -> None:
        if name not in self.subscriptions:
            raise SettingsError(f"unsubscribe: there is no subscription {name!r}")
        self._queue.drop(self.subscriptions[name])
        self._end(name)
        self.post("unsubscribed", id=name)

    def _end(self, name: str) -> None:
        subscription = self.subscriptions.pop(name)
        subscription.pause()
        self._hub.index.leave(subscription.audience)
