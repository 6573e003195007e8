"""A gateway that says what a test has written down: what a real one says on a bad day only."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websockets import Subprotocol
from websockets.sync.server import serve

from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from websockets.sync.server import ServerConnection

Said = dict[str, Any]


class ScriptedGateway:
    """Says one list of messages a connection, after its subscription; `asked` are the subscriptions."""

    def __init__(self, says: Sequence[Sequence[Said]], ping_seconds: float) -> None:
        self.asked: list[Said] = []
        self._says = iter(says)
        self._welcome = {"type": "welcome", "version": 1, "ping_seconds": ping_seconds, "limits": {}}

    def talk(self, socket: ServerConnection) -> None:
        socket.send(json.dumps(self._welcome))
        subscription = json.loads(socket.recv())
        self.asked.append(subscription)
        for message in next(self._says, ()):
            socket.send(json.dumps({"id": subscription["id"], **message}))
        for _ in socket:
            pass


@contextmanager
def scripted(*says: Sequence[Said], ping_seconds: float = 20) -> Iterator[tuple[str, ScriptedGateway]]:
    """Its address, and what it was asked."""
    gateway = ScriptedGateway(says, ping_seconds)
    with serve(gateway.talk, "127.0.0.1", 0, subprotocols=[Subprotocol("rtp.v1")]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()[:2]
        try:
            yield f"http://{host}:{port}", gateway
        finally:
            server.shutdown()
            thread.join()


def subscribed(sequence: int = 0, *, resumed: bool = False) -> Said:
    return {"type": "subscribed", "position": position(sequence), "log": "test", "sequence": 0, "resumed": resumed}


def event(n: int, sequence: int, **members: Any) -> Said:
    document = json.loads(make_event(sequence).json_bytes)
    return {"type": "event", "n": n, "position": position(sequence), "event": document, **members}


def position(sequence: int) -> str:
    return f"test.{sequence}.1-{sequence}"
