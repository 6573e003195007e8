"""The log as one sink is to get it: chunks of events, the next one's rows read while this one is built and delivered.

Behind a backlog PostgreSQL, this process and the sink's service would otherwise work in turns, each idle while another
works. Without a backlog there is nothing to read ahead: a chunk is fetched ahead only where the last one was full.
"""

from __future__ import annotations

import time
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from core.errors import EventRejected
from core.log.dead_event import DeadEvent, dead_row
from core.log.rows import build_event, event_id
from core.services.daemon_pool import DaemonPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from core.log.reader import Chunk, LogReader
    from core.log.rows import LogRow
    from rtp_client.event import Event


@dataclass(frozen=True)
class Prefetched:
    """A chunk, and its rows as events: to deliver, not for this sink, or not valid.

    `began_at` (monotonic) is when the reading began: what was committed after that may be missing in it. `arrived_at`
    is when the rows were there.
    """

    chunk: Chunk
    is_full: bool
    began_at: float
    arrived_at: float
    detected_at: dict[int, float]
    detection_seconds: Sequence[float]
    events: Sequence[Event]
    unwanted: Sequence[int]
    invalid: Mapping[str, DeadEvent]


class _Fetched(NamedTuple):
    chunk: Chunk
    began_at: float
    arrived_at: float


class Prefetcher:
    """Reads with one sink's reader. Not thread-safe: the sink's loop calls it, and nobody else reads meanwhile.

    The loop may save its cursor meanwhile: the connection lets one statement through at a time. But before it begins a
    transaction on it, it has to `wait`: within one, PostgreSQL's age() does not count those that began after it.
    """

    def __init__(
        self, reader: LogReader, *, name: str, source: str, limit: int, wants: Callable[[LogRow], bool]
    ) -> None:
        self._reader = reader
        self._source = source
        self._limit = limit
        self._wants = wants
        self._worker = DaemonPool(1, name=f"rtp-{name}-ahead")
        self._ahead: Future[_Fetched] | None = None

    def take(self) -> Prefetched:
        """The next chunk. Raises ServiceUnavailable where PostgreSQL does not answer."""
        ahead, self._ahead = self._ahead, None
        fetched = self._fetch() if ahead is None else ahead.result()
        self._reader.advance(fetched.chunk)
        is_full = len(fetched.chunk.rows) == self._limit
        if is_full:  # before this one is built: PostgreSQL takes as long for the next one
            self._ahead = self._worker.submit(self._fetch)
        return self._build(fetched, is_full=is_full)

    def wait(self) -> None:
        """Wait until nothing is being read; what was read is kept."""
        if self._ahead is not None:
            wait([self._ahead])

    def drop(self) -> None:
        """Forget what was fetched ahead: the reader is about to be closed."""
        self.wait()  # the reader's connection must not be closed under it; a read has its own time limit
        self._ahead = None

    def close(self) -> None:
        self.drop()
        self._worker.shutdown()

    def _fetch(self) -> _Fetched:
        began_at = time.monotonic()
        return _Fetched(self._reader.read(self._limit), began_at, time.time())

    def _build(self, fetched: _Fetched, *, is_full: bool) -> Prefetched:
        chunk, log_id = fetched.chunk, self._reader.log_id
        detected_at = {row.id: row.detected_at.timestamp() for row in chunk.rows}
        waited: list[float] = []
        events: list[Event] = []
        unwanted: list[int] = []
        invalid: dict[str, DeadEvent] = {}
        for row in chunk.rows:
            if not self._wants(row):
                unwanted.append(row.id)
                continue
            waited.append(fetched.arrived_at - detected_at[row.id])
            try:
                events.append(build_event(row, source=self._source, log_id=log_id))
            except EventRejected as error:
                invalid[event_id(row, log_id)] = dead_row(row, str(error))
        return Prefetched(
            chunk, is_full, fetched.began_at, fetched.arrived_at, detected_at, waited, events, unwanted, invalid
        )
