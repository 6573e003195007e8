"""The same messages straight from Redis: the stream, and the cache as the snapshot before it."""

from __future__ import annotations

import threading
from itertools import groupby
from typing import TYPE_CHECKING

from rtp_client.cache.reader import CacheReader
from rtp_client.errors import ServiceUnavailable
from rtp_client.keys import cache_key_owner, cache_key_pattern
from rtp_client.live.messages import LiveEntry, LiveEvent, Message, SnapshotPage, Subscribed
from rtp_client.live.snapshot_reach import SnapshotReach
from rtp_client.redis import redis_errors
from rtp_client.stream.entries import text
from rtp_client.stream.event_stream import EventStream
from rtp_client.stream.gap import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rtp_client.backoff import Backoff
    from rtp_client.live.wanted import Wanted

_PAGE = 200


class Straight:
    """One subscription. `close` ends its messages, from any thread, within a second."""

    def __init__(
        self,
        url: str,
        wanted: Wanted,
        *,
        notice: Callable[[str], None],
        tell_live: Callable[[bool], None],
        backoff: Backoff,
        timeout_seconds: float,
    ) -> None:
        self._url = url
        self._wanted = wanted
        self._notice = notice
        self._backoff = backoff
        self._timeout_seconds = timeout_seconds
        self._closed = threading.Event()
        self._reach = SnapshotReach()
        self._stream = EventStream(
            url, on_notice=notice, on_live=tell_live, backoff=backoff, timeout_seconds=timeout_seconds
        )

    def close(self) -> None:
        """End the messages."""
        self._closed.set()
        self._stream.close()

    def messages(self) -> Iterator[Message]:
        """Raises ServiceUnavailable where Redis does not answer now, or refuses."""
        resume = self._wanted.resume
        begin, gap = (self._stream.end(), None) if resume is None else self._stream.behind(resume)
        is_resumed = resume is not None and gap is None
        yield Subscribed(begin, is_resumed)
        if gap:
            yield gap
        if not is_resumed:
            yield from self._snapshot()
        for told in self._stream.told_after(begin):
            if isinstance(told, Gap):
                yield told
                yield from self._snapshot()
            elif self._wanted.filter.matches(told.event) and not self._reach.holds(told.event):
                yield LiveEvent(told.event, told.position, document=told.document)

    def _snapshot(self) -> Iterator[SnapshotPage]:
        if not self._wanted.snapshot:
            return
        failures, is_first = 0, True
        while not self._closed.is_set():
            try:
                entries = self._entries()
                break
            except ServiceUnavailable as error:
                failures += 1
                if failures == 1:
                    self._notice(f"{error}; trying again")
                self._closed.wait(self._backoff.wait_seconds(failures))
        else:
            return
        self._reach.take(entries, is_first=True)
        for start in range(0, max(len(entries), 1), _PAGE):
            page = tuple(entries[start : start + _PAGE])
            yield SnapshotPage(page, is_first, start + _PAGE >= len(entries))
            is_first = False

    def _entries(self) -> list[LiveEntry]:
        with CacheReader(self._url, is_counted=False, timeout_seconds=self._timeout_seconds) as reader:
            with redis_errors(reader.address):
                keys = reader.client.scan_iter(cache_key_pattern(), count=1000, _type="HASH")
                known = {owner for key in keys if (owner := cache_key_owner(text(key)))}
            owners = sorted(owner for owner in known if self._wanted.filter.covers(*owner))
            found = [
                entry
                for kind, of_kind in groupby(owners, key=lambda owner: owner[0])
                for entry in reader.get_many(kind, [owner[1:] for owner in of_kind]).values()
            ]
        return [LiveEntry.of(entry) for entry in found if entry is not None]
