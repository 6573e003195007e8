"""Market-wide moves of the installed watches, found among events that are to be written: in the same transaction."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from core.detection.market import judge_market, market_of, market_text
from core.judging.columns import by_column
from core.judging.findings import EventRow
from core.services.postgres import queries
from core.services.prepared import PreparedStatements
from core.settings.watches import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Connection

    from core.detection.market import Firing, MarketMemory
    from core.detection.report import Report
    from core.judging.findings import Findings
    from core.judging.watches import InstalledWatch

_QUERIES = queries("core.sql", "judging.sql")
_COUNTED_AGAIN_SECONDS = 60.0
"""To count a large watch's entities takes a moment, and a share of them need not be more exact."""


class Markets:
    """Only the judge writes what is remembered of them, so what it has read holds."""

    def __init__(self, connection: Connection, watches: Mapping[int, InstalledWatch]) -> None:
        append = _QUERIES["append_events"] + b"\n" + _QUERIES["return_event_id"]
        self._statements = PreparedStatements(connection, {**_QUERIES, "append_market_event": append})
        self._watches = watches
        self._memories: dict[int, MarketMemory] = {}
        self._counts: dict[int, tuple[float, int]] = {}

    def judge(self, findings: Findings) -> None:
        """Append the events of market-wide moves, and have the events that are part of one say so."""
        for watch, fired in findings.firings.items():
            self._judge(self._watches[watch], fired, findings.events)

    def _judge(self, watch: InstalledWatch, fired: Sequence[tuple[int, Firing]], events: list[EventRow]) -> None:
        market = watch.watch.market
        assert market is not None
        firings = [firing for _, firing in fired]
        memory, report, marked = judge_market(
            self._memory(watch.id), firings, market, partial(self._count_entities, watch.id)
        )
        if report is not None:
            memory = memory.begun(self._append(watch, report))
        for place in (fired[number][0] for number in marked):
            events[place] = _marked(events[place], memory.event_id)
        self._memories[watch.id] = memory
        self._statements.fetch("keep_market", {"watch": watch.id, "memory": market_text(memory)})

    def _memory(self, watch: int) -> MarketMemory:
        if watch not in self._memories:
            rows = self._statements.fetch("market", {"watch": watch})
            self._memories[watch] = market_of(rows[0][0] if rows else None)
        return self._memories[watch]

    def _count_entities(self, watch: int) -> int:
        counted_at, count = self._counts.get(watch, (float("-inf"), 0))
        if time.monotonic() - counted_at > _COUNTED_AGAIN_SECONDS:
            count = self._statements.fetch("count_entities", {"watch": watch})[0][0]
            self._counts[watch] = time.monotonic(), count
        return count

    def _append(self, watch: InstalledWatch, report: Report) -> str:
        """Append the event before its members, whose transaction it is of; returns its id."""
        key = (watch.id, EVERYWHERE.const, watch.name)
        row = EventRow.of(key, report, report.testimony.told(datetime.now(UTC), watch.watch))
        event_id: str = self._statements.fetch("append_market_event", by_column(EventRow._fields, [row]))[0][0]
        return event_id


def _marked(event: EventRow, market: str | None) -> EventRow:
    details = {} if event.details is None else json.loads(event.details)
    return event._replace(details=json.dumps({**details, "market": market}))
