"""Dead letters on their way from Redis to the queue that the settings name for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.handler.rest import Rest

if TYPE_CHECKING:
    from core.letters.stream_letters import QueueLetters, RedisLetters

_MOST_AT_ONCE = 1000


class LetterForwarder:
    """Moves letters, the oldest first. A letter is in Redis until the queue has it, so a crash can only double it."""

    def __init__(self, letters: RedisLetters, queue: QueueLetters) -> None:
        self._letters = letters
        self._queue = queue
        self._rest = Rest()
        self.is_behind = False
        """Whether letters wait, as the queue has failed."""

    def forward(self) -> str:
        """Move what there is. Returns why some could not be moved; empty where all were, or the queue is left alone."""
        if not self._rest.is_over:
            return ""
        try:
            for body in self._letters.oldest(_MOST_AT_ONCE):
                self._queue.send(body)
                self._letters.remove(body)
        except SinkUnavailable as error:
            self._rest.failed()
            self.is_behind = True
            return str(error)
        self._rest.succeeded()
        self.is_behind = False
        return ""
