"""The SQS side of a fault run: what SQS has accepted, and what consumers beside the proxies have received."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from loadtests.faults.sighting import Sighting, sighting
from loadtests.shared.arrivals import Arrivals
from loadtests.shared.sqs_consumer import SqsConsumer, stack_sqs_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.stack import StackAddresses

# The endpoint looks at all that is unread for each request: a consumer that falls behind makes it slow for rtp, too.
_CONSUMERS = 4
_GATHER_SECONDS = 0.1
_HIDDEN_SECONDS = 5


class AlertAudit:
    """The gateway tells what SQS has accepted; consumers tell what has come out of the queue.

    The endpoint keeps its queue in memory. What it had accepted, and not handed out, when it was killed, is its loss
    and not rtp's; it is counted as `lost_by_endpoint`, and everything else that was accepted must be received.
    """

    def __init__(self, addresses: StackAddresses, queue_url: str) -> None:
        self.accepted = Arrivals("SQS")
        self.received = Arrivals("SQS consumer")
        self.lost_by_endpoint = 0
        self._waiting: dict[int, Sighting] = {}  # by sequence: accepted, not received
        self._ahead: set[int] = set()  # received before the gateway knew that they were accepted
        self._lock = threading.Lock()
        self._client = stack_sqs_client(addresses)
        self._consumer = SqsConsumer(
            [self._client] * _CONSUMERS,
            queue_url,
            self._note_received,
            hidden_seconds=_HIDDEN_SECONDS,
            gather_seconds=_GATHER_SECONDS,
        )

    def start(self) -> None:
        self._consumer.start()

    def stop(self) -> None:
        self._consumer.stop()
        self._client.close()

    @property
    def waiting(self) -> int:
        """How many messages are in the queue as far as anyone can know."""
        return len(self._waiting)

    def note_accepted(self, bodies: Sequence[str]) -> None:
        """SQS has taken these, in this order."""
        for body in bodies:
            seen = sighting(body)
            is_new = self.accepted.note(*seen)
            with self._lock:
                if seen.sequence in self._ahead:
                    self._ahead.discard(seen.sequence)
                elif is_new:
                    self._waiting[seen.sequence] = seen

    def excuse_endpoint(self) -> None:
        """The endpoint was killed, and with it went what nobody had received."""
        with self._lock:
            self.lost_by_endpoint += len(self._waiting)
            for seen in self._waiting.values():
                self.received.skip(*seen)
            self._waiting.clear()

    def _note_received(self, body: str, _: float) -> None:
        seen = sighting(body)
        is_new = self.received.note(*seen)
        with self._lock:
            if self._waiting.pop(seen.sequence, None) is None and is_new:
                self._ahead.add(seen.sequence)
