"""An iterator that blocks, for asyncio: a thread runs it ahead, by a bounded number of items."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

_Item = TypeVar("_Item")

_AHEAD = 1_000


async def in_thread(items: Iterator[_Item], stop: Callable[[], None]) -> AsyncGenerator[_Item, None]:
    """The items as they come. `stop` makes the iterator end, from any thread."""
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[_Item | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(_AHEAD)

    def post(item: _Item | BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(inbox.put_nowait, item)

    def run() -> None:
        try:
            for item in items:
                room.acquire()
                post(item)
            post(None)
        except Exception as error:  # noqa: BLE001  (whoever iterates meets it)
            post(error)

    threading.Thread(target=run, name="rtp-live", daemon=True).start()
    try:
        while (item := await inbox.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            room.release()
            yield item
    finally:
        stop()
        room.release()
