"""Who does what: each destination is worked by one process at a time, and all processes that there are share them.

A lease is a key with the token of its process, which expires unless it is renewed. Whoever lost it without knowing is
refused by every script (`begin.lua`, `settle.lua`, `put.lua`), and looks at its clock right before it sends.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.notify.outbox.scripts import LET_GO, SHARE
from core.notify.work_loop import WorkLoop
from core.redis_names import lease_key, workers_key
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import redis

_GIVES_BACK = 2
_RENEWALS = 4  # within a lease's time


def new_token(mark: str) -> str:
    """A name that no other process has, or had; the mark of its settings is the last part of it."""
    return f"{os.getpid()}-{secrets.token_hex(8)}-{mark}"


class Leases(WorkLoop):
    """This process's part of one kind of work. For threads; one thread of its own renews what is held."""

    def __init__(
        self,
        client: redis.Redis,
        address: str,
        work: str,
        pieces: Sequence[str],
        *,
        seconds: float,
        token: str,
        on_change: Callable[[], None],
        on_failure: Callable[[SinkUnavailable | None], None],
    ) -> None:
        super().__init__(f"{work}_leases")
        self.token = token
        self._address = address
        self._pieces = list(pieces)
        self._keys = [workers_key(work), *(lease_key(work, piece) for piece in pieces)]
        self._seconds = seconds
        self._share = client.register_script(SHARE)
        self._let_go = client.register_script(LET_GO)
        self._on_change, self._on_failure = on_change, on_failure
        self.rounds = 0
        """How often it was asked who does what, and answered."""
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._terms: Counter[str] = Counter()
        self._to_give_back: frozenset[str] = frozenset()

    def stop(self, within_seconds: float | None = None) -> None:
        """Give back all that is held, as far as Redis can be told."""
        super().stop(within_seconds)
        self._release(self._pieces, is_leaving=True)

    def holds(self, piece: str) -> bool:
        """Whether a piece of work is this process's, by its own clock."""
        with self._lock:
            return time.monotonic() < self._until.get(piece, 0.0)

    def term(self, piece: str) -> int:
        """Which time it is that this process has the piece; 0 where it does not.

        What was known of a piece in one term means nothing in the next: others may have had it in between.
        """
        with self._lock:
            return self._terms[piece] if time.monotonic() < self._until.get(piece, 0.0) else 0

    def gives_back(self, piece: str) -> bool:
        """Whether a piece should be given back, so that another process has its share."""
        return piece in self._to_give_back

    def lost(self, piece: str) -> None:
        """A script has refused this process: the piece is another's, or nobody's."""
        with self._lock:
            self._until.pop(piece, None)

    def give_back(self, piece: str) -> None:
        """Nothing of the piece is under way any more: another process may have it."""
        self._release([piece], is_leaving=False)

    def _release(self, pieces: Sequence[str], *, is_leaving: bool) -> None:
        with self._lock:
            for piece in pieces:
                self._until.pop(piece, None)
        keys = [self._keys[0], *(self._keys[1 + self._pieces.index(piece)] for piece in pieces)]
        try:
            with redis_errors(self._address, SinkUnavailable):
                self._let_go(keys, [self.token, int(is_leaving)])
        except SinkUnavailable as error:  # then it expires
            self._on_failure(error)

    def _run(self) -> None:
        pause = self._seconds / _RENEWALS
        while True:
            self._renew()
            if self._stopping.wait(pause):
                return

    def _renew(self) -> None:
        asked_at = time.monotonic()
        try:
            with redis_errors(self._address, SinkUnavailable):
                answers = self._share(self._keys, [self.token, int(self._seconds * 1000)])
        except SinkUnavailable as error:
            self._on_failure(error)
            return
        self._on_failure(None)
        self.rounds += 1
        with self._lock:
            before = {piece for piece, until in self._until.items() if time.monotonic() < until}
            self._until = {
                piece: asked_at + self._seconds for piece, answer in zip(self._pieces, answers, strict=True) if answer
            }
            self._to_give_back = frozenset(
                piece for piece, answer in zip(self._pieces, answers, strict=True) if answer == _GIVES_BACK
            )
            self._terms.update(self._until.keys() - before)
            has_changed = before != set(self._until) or bool(self._to_give_back)
        if has_changed:
            self._on_change()
