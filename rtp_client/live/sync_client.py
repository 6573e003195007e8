"""SyncClient: the events as they come, for threads."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Self, Unpack

from rtp_client.live.base import ClientBase
from rtp_client.live.messages import LiveEvent
from rtp_client.live.wanted import Wanted
from rtp_client.stream.gap import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from websockets.sync.client import ClientConnection

    from rtp_client.live.base import LiveOptions, Token
    from rtp_client.live.messages import Message
    from rtp_client.live.reception import Reception
    from rtp_client.live.straight import Straight
    from rtp_client.live.wanted import WantedParts


class SyncClient(ClientBase):
    """Client's twin without asyncio; `close` may be called from any thread."""

    def __init__(self, url: str, token: Token = None, **options: Unpack[LiveOptions]) -> None:
        super().__init__(url, token, options)
        self._closed = threading.Event()
        self._open: set[ClientConnection | Straight] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all iterations, within a second."""
        self._closed.set()
        for one in tuple(self._open):
            one.close()

    def events(
        self, *, on_gap: Callable[[Gap], None] | None = None, **wanted: Unpack[WantedParts]
    ) -> Generator[LiveEvent, None, None]:
        """See Client.events."""
        wanted["snapshot"] = False
        with closing(self.messages(**wanted)) as messages:
            for message in messages:
                if isinstance(message, LiveEvent):
                    yield message
                elif isinstance(message, Gap):
                    (on_gap or self._tell_gap)(message)

    def messages(self, **wanted: Unpack[WantedParts]) -> Generator[Message, None, None]:
        """See Client.messages."""
        checked = Wanted.of(wanted)
        return self._from_redis(checked) if self._is_straight else self._from_gateway(checked)

    def _from_redis(self, wanted: Wanted) -> Generator[Message, None, None]:
        straight = self._straight(wanted)
        self._open.add(straight)
        try:
            yield from straight.messages()
        finally:
            self._open.discard(straight)
            straight.close()

    def _from_gateway(self, wanted: Wanted) -> Generator[Message, None, None]:
        reconnecting = self._reconnecting()
        reception = self._reception(wanted)
        while not self._closed.is_set():
            try:
                for message in self._one_connection(reception):
                    reconnecting.heard()
                    yield message
            except reconnecting.lost as error:
                if not self._closed.is_set():
                    self._closed.wait(reconnecting.wait_seconds(error, reception))

    def _one_connection(self, reception: Reception) -> Generator[Message, None, None]:
        from websockets.sync.client import connect  # noqa: PLC0415

        token = self._token() if callable(self._token) else self._token
        with connect(**self._connection(token)) as socket:
            self._open.add(socket)
            try:
                if self._closed.is_set():  # while it was being connected
                    return
                yield from reception.take(socket.recv())  # the welcome, or why there is none
                socket.send(reception.request())
                while True:
                    yield from reception.take(socket.recv())
            finally:
                self._open.discard(socket)
