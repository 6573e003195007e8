"""How long to wait for an answer before a connection counts as dead.

Half of a connection can die without a word: a firewall forgets it, a proxy loses its other side. Only silence tells,
and a server that is merely slow is silent, too. So the first wait is short: a dead connection has cost little by then.
For a moment after a silence, or after a late answer, the next answer may take as long as the settings allow: what is
slow gets done. TCP's own means (keepalive, TCP_USER_TIMEOUT) would not do: a proxy on the way answers them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS = 1.5
_LONG_SECONDS = 4.0


class AnswerTimeout:
    """How long one role waits for one server; `longest_seconds` is what the settings allow.

    A role whose statements may well take longer has a longer first wait: `first_seconds`.
    """

    def __init__(
        self,
        longest_seconds: float,
        *,
        first_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._longest_seconds = longest_seconds
        self._first_seconds = min(longest_seconds, FIRST_SECONDS if first_seconds is None else first_seconds)
        self._clock = clock
        self._long_until = 0.0

    @property
    def is_long(self) -> bool:
        """Whether there was a silence lately."""
        return self._clock() < self._long_until

    @property
    def seconds(self) -> float:
        """How long to wait for the next answer."""
        return self._longest_seconds if self.is_long else self._first_seconds

    def note_silence(self) -> None:
        """There was no answer; the same will be asked again at once, on a new connection."""
        self._long_until = self._clock() + _LONG_SECONDS

    def note_answer(self, after_seconds: float) -> None:
        """There was an answer; where it was late, the server is slow and not gone, and the next may be as late."""
        if after_seconds >= self._first_seconds:
            self._long_until = self._clock() + _LONG_SECONDS
