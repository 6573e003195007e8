"""Ministack as the embedded stack runs it: as it comes, but for a few things that cost it most of its speed.

- Before each message of a FIFO queue it looks at all deduplication ids of the last five minutes, and for each receive
  and each deletion at all messages of the queue: behind a backlog it falls from thousands a second to about a hundred.
  `fifo_steps` does the same with few looks.
- It asks the kernel for each id that it gives, three for a message: here `random` gives them. Answers are written by
  `json`; here by msgspec.
- A receive that waits for messages looks every 0.1 s. Here what may have made one available wakes it.
- Its web server parses HTTP in Python, does much that is not about SQS, and sends an answer in three packets. Here
  uvicorn serves it, `whole_answers` has it send them in one, and `sqs_app` spares it the rest.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict, deque
from random import getrandbits
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn
from ministack.services import sqs

from core.stack import fifo_steps
from core.stack.sqs_app import sqs_app
from core.stack.whole_answers import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Callable

# What makes a message available without a request, such as the end of its invisibility, is seen this often: as before.
_LOOK_SECONDS = 0.1
_KEEP_ALIVE_SECONDS = 75
_LAST_ANSWERS_SECONDS = 1
_MAKE_AVAILABLE = (
    "SendMessage",
    "SendMessageBatch",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
)


class Receives:
    """The receives that wait, per queue, the longest waiting first. For one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    def wake_one(self, queue: str) -> None:
        """Messages may be available: let one receive look."""
        if waiting := self._waiting[queue]:
            waiting.popleft().set_result(None)

    async def wait(self, queue: str, seconds: float) -> None:
        """Until it is this one's turn to look, or time is up."""
        turn = asyncio.get_running_loop().create_future()
        waiting = self._waiting[queue]
        waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=seconds)
        finally:
            if not turn.done():
                turn.cancel()
                waiting.remove(turn)


def wake_receives() -> None:
    """Have ministack's handlers wake receives, and its receives wait for that."""
    receives, receive = Receives(), sqs._act_receive_message

    async def receive_when_woken(data: dict[str, Any], url: str) -> dict[str, Any]:
        url = data.get("QueueUrl", url)
        deadline = time.monotonic() + _wait_seconds(data, url)
        while True:
            found: dict[str, Any] = await receive({**data, "WaitTimeSeconds": 0}, url)
            remaining = deadline - time.monotonic()
            if found or remaining <= 0:
                break
            await receives.wait(_name(url), min(remaining, _LOOK_SECONDS))
        if len(found.get("Messages", ())) == int(data.get("MaxNumberOfMessages", 1)):
            receives.wake_one(_name(url))  # there may be more
        return found

    def waking(handler: Callable[[dict[str, Any], str], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def handle(data: dict[str, Any], url: str) -> dict[str, Any]:
            answer = handler(data, url)
            receives.wake_one(_name(data.get("QueueUrl", url)))
            return answer

        return handle

    for action in _MAKE_AVAILABLE:
        sqs._HANDLERS[action] = waking(sqs._HANDLERS[action])
    sqs._HANDLERS["ReceiveMessage"] = receive_when_woken


def new_uuid() -> str:
    """As unique as uuid4's, and as easily told from other text; nobody's secret hangs on it."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def answer(document: dict[str, Any], status: int = 200) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    return status, {"Content-Type": "application/x-amz-json-1.0"}, msgspec.json.encode(document)


def _wait_seconds(data: dict[str, Any], url: str) -> int:
    asked = data.get("WaitTimeSeconds")
    if asked is None:
        asked = sqs._get_q(url)["attributes"].get("ReceiveMessageWaitTimeSeconds", "0")
    return int(asked)


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def serve() -> None:
    """Answer until told to end."""
    uvicorn.run(
        sqs_app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        http=WholeAnswers,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # ministack's own
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )


if __name__ == "__main__":
    # There are no settings for these.
    sqs.new_uuid = new_uuid
    sqs._json_ok = answer
    fifo_steps.use(fifo_steps.FAST)
    wake_receives()
    serve()
