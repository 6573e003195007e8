"""The embedded SQS endpoint sends an answer in one piece; its documents and ids are what SQS's are."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID

from core.stack.sqs_server import answer, new_uuid
from core.stack.whole_answers import GatheringTransport

if TYPE_CHECKING:
    from collections.abc import Callable


class Line(asyncio.Transport):
    """Keeps what is sent, and that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.sent.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.sent


def sent_after(use: Callable[[GatheringTransport], None]) -> list[bytes]:
    """What a line has sent after one turn of the loop in which it was used."""
    line = Line()

    async def one_turn() -> None:
        use(GatheringTransport(line, asyncio.get_running_loop().call_soon))
        await asyncio.sleep(0)

    asyncio.run(one_turn())
    return line.sent


def test_head_and_body_are_sent_as_one() -> None:
    def write(transport: GatheringTransport) -> None:
        transport.write(b"head ")
        transport.write(b"body")

    assert sent_after(write) == [b"head body"]


def test_a_line_is_closed_behind_what_was_written() -> None:
    def write(transport: GatheringTransport) -> None:
        transport.write(b"last")
        transport.close()
        assert transport.is_closing()

    assert sent_after(write) == [b"last", b"closed"]


def test_an_id_is_a_random_uuid() -> None:
    first, second = new_uuid(), new_uuid()
    assert (UUID(first).version, UUID(first).variant, str(UUID(first))) == (4, UUID(second).variant, first)
    assert first != second


def test_an_answer_is_the_document_in_json() -> None:
    document = {"Messages": [{"Body": '{"name": "Curve € \\n"}', "Attributes": {}}], "Failed": []}
    status, headers, body = answer(document)
    assert (status, headers["Content-Type"]) == (200, "application/x-amz-json-1.0")
    assert json.loads(body) == document
