"""Finding the answers: from the hub, which knows Redis, and from the source's database, which may be away."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Raw

from core.errors import RtpError, ServiceUnavailable, SettingsError, UnknownEntity
from core.gateway.index import Addressees
from core.gateway.reach import EVERYTHING
from core.gateway.rest.documents import (
    EntityDocument,
    EntityList,
    EventPage,
    PegList,
    StatusDocument,
)
from core.gateway.rest.entity_view import KnownOf, entity_document, watch_as_explained, watch_as_set
from core.gateway.rest.narrowing import pegs_within, status_within
from core.gateway.rest.past_events import past_events
from core.gateway.rest.pegs import find_pegs, off_since_by_events, peg_documents, pegged_kinds
from core.gateway.rest.shared_answers import SharedAnswers
from core.gateway.rest.stream_figures import stream_figures
from core.services.daemon_pool import DaemonPool
from rtp_client.event import format_time
from rtp_client.event_filter import EventFilter
from rtp_client.keys import cache_key, cache_key_owner
from rtp_client.redis import async_redis_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from core.gateway.hub import Hub
    from core.gateway.newest_values import NewestValues
    from core.gateway.reach import Reach
    from core.gateway.rest.documents import WatchDocument
    from core.gateway.rest.insight import Insight
    from core.gateway.snapshot import HeldEntry
    from core.inspection.explanation import Explanation, Source
    from core.inspection.samples import Samples
    from core.settings.models import Settings
    from rtp_client.event import Event
    from rtp_client.stream.position import Position

_Found = TypeVar("_Found")

_THREADS = 3
"""So many questions the source's database is asked at once."""
_ENTITY_SECONDS = _PEGS_SECONDS = 1.0
_STATUS_SECONDS = 2.0
"""So old an answer may be that is shared."""
_SAMPLES = 500
_REDIS_SECONDS = 10.0


class RestAnswers:
    """What is asked for often is found out once for all who ask at a time."""

    def __init__(self, hub: Hub, settings: Settings, values: NewestValues, insight: Insight | None) -> None:
        self._hub = hub
        self._settings = settings
        self._values = values
        self._insight = insight
        self._shared = SharedAnswers()
        self._threads = DaemonPool(_THREADS, name="rtp-rest")
        self._redis = async_redis_client(
            settings.redis.url or "",
            client_name="rtp-serve-rest",
            timeout_seconds=settings.redis.timeout_seconds,
            max_connections=2,
        )

    async def close(self) -> None:
        """End what is being found, and give the connections back."""
        await self._shared.close()
        await asyncio.to_thread(self._threads.shutdown)
        if self._insight is not None:
            self._insight.close()
        await self._values.close()
        await self._redis.aclose()

    async def entities(self, wanted: EventFilter, reach: Reach, after: str | None, limit: int) -> EntityList:
        """A page of the newest values. `after` is where the page before has ended."""
        behind = cache_key_owner(after) if after is not None else ("", "", "")
        if behind is None:
            raise SettingsError("after: must be the `next` of a page", "Leave it out to begin")
        held = await self._held(wanted, reach)
        start = bisect_right(held, behind, key=attrgetter("owner"))
        page = held[start : start + limit]
        documents: list[Any] = [Raw(one.document) for one in page]
        is_last = start + limit >= len(held)
        return EntityList(entities=documents, next=None if is_last else cache_key(*page[-1].owner))

    async def events(self, wanted: EventFilter, reach: Reach, since: Position | None, limit: int) -> EventPage:
        """The events behind a position."""
        return await self._in_time(past_events(self._hub, wanted, reach, since, limit))

    async def entity(self, kind: str, chain: str, entity: str, watch: str | None) -> EntityDocument:
        """All that is known of an entity. Raises UnknownEntity."""
        known, watches = await self._shared.get(
            ("entity", kind, chain, entity), lambda: self._known_of(kind, chain, entity), seconds=_ENTITY_SECONDS
        )
        names = [one.name for one in watches]
        if watch is not None and watch not in names:
            raise UnknownEntity(f"watch {watch} does not know it", f"It is known to: {', '.join(names) or 'none'}")
        shown = next((one for one in watches if watch in (None, one.name)), None)
        others = [name for name in names if shown is None or name != shown.name]
        return entity_document(known, shown, others)

    async def pegs(self, reach: Reach) -> PegList:
        """How far off their pegs the pegged entities are."""
        return pegs_within(await self._shared.get("pegs", self._find_pegs, seconds=_PEGS_SECONDS), reach)

    async def status(self, reach: Reach) -> StatusDocument:
        """The state of rtp."""
        return status_within(await self._shared.get("status", self._find_status, seconds=_STATUS_SECONDS), reach)

    async def _known_of(self, kind: str, chain: str, entity: str) -> tuple[KnownOf, list[WatchDocument]]:
        entry = await self._values.get(kind, chain, entity)
        explained: Sequence[Explanation] = ()
        try:
            explained, note = await self._told(explained, lambda insight: insight.explain(kind, chain, entity))
        except UnknownEntity:
            if entry is None:
                raise
            note = None
        if entry is None and not explained:
            raise UnknownEntity(f"{kind} {entity} is not known on {chain}", "/v1/entities lists what is")
        known = KnownOf(kind, chain, entity, entry, explained, self._recent(kind, chain, entity), note=note)
        history = next((one.watch for one in explained if one.judged and one.judged.shape == "history"), None)
        if history is not None:
            none: Samples = []
            samples, _ = await self._told(none, lambda insight: insight.samples(history, chain, entity, _SAMPLES))
            known = replace(known, samples=samples)
        return known, [watch_as_explained(one) for one in explained] or self._watches_as_set(known)

    async def _held(self, wanted: EventFilter, reach: Reach) -> list[HeldEntry]:
        """The values that fit, in the order of kind, chain and name; all who ask within a second share one reading."""
        snapshot = self._hub.snapshots.ask()
        try:
            return await self._in_time(snapshot.entries_for(Addressees(wanted, reach)))
        except asyncio.CancelledError:
            if not snapshot.reading.cancelled():
                raise
            raise self._unavailable("the stream was lost while it was read") from None

    async def _in_time(self, finding: Awaitable[_Found]) -> _Found:
        """What the hub finds, which waits for a Redis that is away."""
        try:
            async with asyncio.timeout(_REDIS_SECONDS):
                return await finding
        except TimeoutError:
            raise self._unavailable(f"no answer within {_REDIS_SECONDS:g} s") from None

    def _unavailable(self, cause: str) -> ServiceUnavailable:
        return ServiceUnavailable("Redis", self._hub.feed.address, cause)

    def _recent(self, kind: str, chain: str, entity: str) -> list[Event]:
        return [placed.event for placed in self._hub.index.recent((kind, chain, entity))]

    def _watches_as_set(self, known: KnownOf) -> list[WatchDocument]:
        if known.entry is None:
            return []
        source: Source = "postgres" if self._insight is None else self._insight.source
        tables = self._settings.dynamodb.tables if source == "dynamodb" else {}
        return [
            watch_as_set(name, watch, tables[name].table if name in tables else watch.table, source, known.entry)
            for name, watch in self._settings.watches.items()
            if watch.kind == known.kind
        ]

    async def _find_pegs(self) -> PegList:
        kinds = pegged_kinds(self._settings)
        held = await self._held(EventFilter(kind=kinds), EVERYTHING) if kinds else []
        pegs = await self._in_thread(partial(find_pegs, self._settings, [one.document for one in held]))
        off_since, note = await self._told(None, lambda insight: insight.off_peg_since(list(pegs)))
        if off_since is None:
            events = [event for one, (entry, _) in pegs.items() for event in self._recent(entry.kind, *one[1:])]
            off_since = off_since_by_events(pegs, events)
        return PegList(pegs=await self._in_thread(partial(peg_documents, pegs, off_since)), note=note)

    async def _find_status(self) -> StatusDocument:
        status, note = await self._told(None, lambda insight: insight.status())
        source = self._insight.source if self._insight is not None and status is not None else "redis"
        stream = await stream_figures(self._redis)
        return StatusDocument(source=source, at=format_time(datetime.now(UTC)), stream=stream, status=status, note=note)

    async def _told(self, otherwise: _Found, ask: Callable[[Insight], _Found]) -> tuple[_Found, str | None]:
        """What the source's database tells; where it does not, something else, and why. Raises UnknownEntity."""
        insight = self._insight
        if insight is None:
            return otherwise, "No database is set: this is what Redis knows"
        try:
            return await self._in_thread(partial(ask, insight)), None
        except UnknownEntity:
            raise
        except RtpError as error:
            return otherwise, f"{str(error).rstrip('.')}. This is what Redis knows"

    async def _in_thread(self, work: Callable[[], _Found]) -> _Found:
        """What waits for a server, or takes many milliseconds: events go on meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
