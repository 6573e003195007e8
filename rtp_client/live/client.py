"""Client: the events as they come, for asyncio."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Self, Unpack

from rtp_client.live.base import ClientBase
from rtp_client.live.messages import LiveEvent
from rtp_client.live.threaded import in_thread
from rtp_client.live.wanted import Wanted
from rtp_client.stream.gap import Gap

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from websockets.asyncio.client import ClientConnection

    from rtp_client.live.base import LiveOptions, Token
    from rtp_client.live.messages import Message
    from rtp_client.live.reception import Reception
    from rtp_client.live.straight import Straight
    from rtp_client.live.wanted import WantedParts


class Client(ClientBase):
    """Follows rtp through the gateway (`https`, `wss`), or straight from Redis (`redis`, `rediss`).

    Connections that are lost are made again and go on behind the last event; no event id comes twice. Each iteration
    has a connection of its own. `token` may be a function, which is asked, in a thread, at each connection.
    `on_notice` is told of lost connections, and of gaps where nobody else is, in one line each: by default the
    logger `rtp_client`. Iterating raises ServiceUnavailable where the first connection cannot be made, GatewayRefused
    where the gateway does not take the token or what is wanted, SettingsError where that is none of the parts.
    """

    def __init__(self, url: str, token: Token = None, **options: Unpack[LiveOptions]) -> None:
        super().__init__(url, token, options)
        self._closed = asyncio.Event()
        self._sockets: set[ClientConnection] = set()
        self._straights: set[Straight] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all iterations."""
        self._closed.set()
        for straight in self._straights:
            straight.close()
        for socket in tuple(self._sockets):
            await socket.close()

    async def events(
        self, *, on_gap: Callable[[Gap], None] | None = None, **wanted: Unpack[WantedParts]
    ) -> AsyncGenerator[LiveEvent, None]:
        """Every event that is wanted, from the first iteration on or behind `resume`; without snapshots.

        `on_gap` is told where events may be missing, in the order of the events.
        """
        wanted["snapshot"] = False
        async with aclosing(self.messages(**wanted)) as messages:
            async for message in messages:
                if isinstance(message, LiveEvent):
                    yield message
                elif isinstance(message, Gap):
                    (on_gap or self._tell_gap)(message)

    def messages(self, **wanted: Unpack[WantedParts]) -> AsyncGenerator[Message, None]:
        """The events with all that goes with them: where they begin, snapshots and gaps, in order."""
        checked = Wanted.of(wanted)
        return self._from_redis(checked) if self._is_straight else self._from_gateway(checked)

    async def _from_redis(self, wanted: Wanted) -> AsyncGenerator[Message, None]:
        straight = self._straight(wanted)
        self._straights.add(straight)
        try:
            async with aclosing(in_thread(straight.messages(), straight.close)) as messages:
                async for message in messages:
                    yield message
        finally:
            self._straights.discard(straight)

    async def _from_gateway(self, wanted: Wanted) -> AsyncGenerator[Message, None]:
        reconnecting = self._reconnecting()
        reception = self._reception(wanted)
        while not self._closed.is_set():
            try:
                async with aclosing(self._one_connection(reception)) as messages:
                    async for message in messages:
                        reconnecting.heard()
                        yield message
            except reconnecting.lost as error:
                if not self._closed.is_set():
                    await self._rest(reconnecting.wait_seconds(error, reception))

    async def _one_connection(self, reception: Reception) -> AsyncGenerator[Message, None]:
        from websockets.asyncio.client import connect  # noqa: PLC0415

        token = await asyncio.to_thread(self._token) if callable(self._token) else self._token
        async with connect(**self._connection(token)) as socket:
            self._sockets.add(socket)
            try:
                if self._closed.is_set():  # while it was being connected
                    return
                for message in reception.take(await socket.recv()):  # the welcome, or why there is none
                    yield message
                await socket.send(reception.request())
                while True:
                    for message in reception.take(await socket.recv()):
                        yield message
            finally:
                self._sockets.discard(socket)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)
