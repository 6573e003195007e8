"""A client's connection: its subscriptions, and what waits for it while it is slow."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.gateway.messages import Subscribe, Unsubscribe, message, read_request
from core.gateway.outlet import CloseCode
from core.gateway.subscription import Subscription

if TYPE_CHECKING:
    from core.gateway.hub import Hub
    from core.gateway.outlet import Document, Outlet
    from core.gateway.placed_event import PlacedEvent
    from core.gateway.reach import Reach

_Waiting = tuple[str, "Document", str | None]


class Session:
    """Made by `Hub.connect`. Everything is called in the event loop's thread."""

    def __init__(self, hub: Hub, outlet: Outlet, reach: Reach) -> None:
        self.reach = reach
        self.outlet = outlet
        self.subscriptions: dict[str, Subscription] = {}
        self._hub = hub
        self._waiting: deque[_Waiting] = deque()
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
        while self._waiting and self.outlet.has_room:
            self.outlet.send(*self._waiting.popleft())

    def close(self) -> None:
        """The connection has ended, or is to be forgotten."""
        if self._is_closed:
            return
        self._is_closed = True
        for name in list(self.subscriptions):
            self._end(name)
        self._waiting.clear()
        self._hub.forget(self)

    def post(self, kind: str, *, position: str | None = None, **members: object) -> None:
        """Send a message that is no event, in its turn."""
        self._send(kind, message(kind, position=position, **members), position)

    def offer(self, subscription: Subscription, event: PlacedEvent) -> None:
        """Send a live event in its turn."""
        self._send("event", subscription.document(event), event.text)

    def _send(self, kind: str, document: Document, position: str | None) -> None:
        if not self._waiting and self.outlet.has_room:
            self.outlet.send(kind, document, position)
        elif len(self._waiting) < self._hub.queue:
            self._waiting.append((kind, document, position))
        else:
            self.outlet.close(CloseCode.TOO_SLOW, f"too slow: {self._hub.queue} messages wait")
            self.close()

    def _subscribe(self, request: Subscribe) -> None:
        if request.id in self.subscriptions:
            raise SettingsError(f"subscribe: there is a subscription {request.id!r} already", "Choose another id")
        if len(self.subscriptions) >= self._hub.most_subscriptions:
            raise SettingsError(
                f"subscribe: a connection has at most {self._hub.most_subscriptions} subscriptions",
                "End one, or name several kinds, chains or entities in one filter",
            )
        audience = self._hub.index.join(request.wanted, self.reach)
        subscription = Subscription(self, request.id, audience, slow=request.slow, wants_snapshot=request.snapshot)
        self.subscriptions[request.id] = subscription
        head = self._hub.window.head
        audience.live[subscription] = None
        self.post("subscribed", id=request.id, position=str(head), log=head.log, sequence=head.sequence, resumed=False)

    def _unsubscribe(self, name: str) -> None:
        if name not in self.subscriptions:
            raise SettingsError(f"unsubscribe: there is no subscription {name!r}")
        self._end(name)
        self.post("unsubscribed", id=name)

    def _end(self, name: str) -> None:
        subscription = self.subscriptions.pop(name)
        subscription.audience.live.pop(subscription, None)
        self._hub.index.leave(subscription.audience)
