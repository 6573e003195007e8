"""The Redis side of a fault run: what has come into the stream, read all the time and beside the proxies."""

from __future__ import annotations

import contextlib
from typing import Any

import redis

from loadtests.faults.crew import Crew
from loadtests.faults.sighting import sighting
from loadtests.shared.arrivals import Arrivals
from rtp_client.keys import STREAM
from rtp_client.redis import redis_client
from rtp_client.stream.entries import BEGINNING

_PAGE = 2000
_BLOCK_MS = 100
_RETRY_SECONDS = 0.02


def impatient_client(url: str, timeout_seconds: float = 2) -> redis.Redis:
    """A client that neither retries nor waits for long: its user knows what is going on."""
    return redis_client(url, client_name="rtp-faults", timeout_seconds=timeout_seconds, decode_responses=True)


class StreamAudit(Crew):
    """Follows the stream from its beginning. It keeps up, so that the stream's own limit takes nothing from it."""

    def __init__(self, url: str) -> None:
        super().__init__([self._run])
        self.arrivals = Arrivals("stream")
        self.position = BEGINNING
        self._url = url
        self._client = impatient_client(url)

    def stop(self) -> None:
        super().stop()
        self._client.close()

    def has_read_all(self) -> bool:
        """Whether nothing in the stream is unread."""
        with contextlib.closing(impatient_client(self._url)) as client:
            try:
                newest: Any = client.xinfo_stream(STREAM)
            except redis.ResponseError:  # there is no stream
                return True
        return bool(newest["last-generated-id"] == self.position)

    def begin_anew(self) -> None:
        """The stream is gone, and the next one begins at its own beginning."""
        self.position = BEGINNING

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
            except redis.RedisError:
                self._stopping.wait(_RETRY_SECONDS)

    def _read(self) -> None:
        before = self.position
        answer: Any = self._client.xread({STREAM: before}, count=_PAGE, block=_BLOCK_MS)
        for _, entries in answer or ():
            for _, fields in entries:
                self.arrivals.note(*sighting(fields["event"]))
            if self.position == before:
                self.position = entries[-1][0]
