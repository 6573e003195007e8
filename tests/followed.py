"""Both clients with one face, so that a test can say once what both do."""

from __future__ import annotations

import asyncio
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from rtp_client import Client, LiveEvent, Message, SyncClient

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator


class Follow(Protocol):
    """Follows an address: the messages as they come, until the block ends."""

    def __call__(self, url: str, **options: Any) -> Any: ...


@contextmanager
def with_asyncio(url: str, *, token: Any = None, on_notice: Any = print, **wanted: Any) -> Iterator[Iterator[Message]]:
    """The messages of Client; its loop stands still while nobody asks for one."""
    with asyncio.Runner() as runner:
        client = Client(url, token, on_notice=on_notice)
        messages = client.messages(**wanted)

        async def following() -> Message | None:
            return await anext(messages, None)

        async def end() -> None:
            await messages.aclose()
            await client.close()

        try:
            yield iter(lambda: runner.run(following()), None)
        finally:
            runner.run(end())


@contextmanager
def with_threads(url: str, *, token: Any = None, on_notice: Any = print, **wanted: Any) -> Iterator[Iterator[Message]]:
    """The messages of SyncClient."""
    with SyncClient(url, token, on_notice=on_notice) as client, closing(client.messages(**wanted)) as messages:
        yield messages


def sequences(messages: Iterable[Message], count: int) -> list[int]:
    """The sequences of the next events."""
    return [int(one.event.sequence) for one in islice(events(messages), count)]


def events(messages: Iterable[Message]) -> Generator[LiveEvent, None, None]:
    """The events alone."""
    return (one for one in messages if isinstance(one, LiveEvent))
