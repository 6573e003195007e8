"""Rebuilding baselines from the tables, where Redis holds none: for what time alone brings about, and for the cache.

A tick reads a portion; Redis knows how far each table is read. Histories are not read: they have too many items, and
an entity's next sample finds the one before it.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.detection.due import due_at
from core.detection.report import amount_text
from core.errors import RtpError, SettingsError
from core.handler.baselines import BaselineMove
from core.handler.current import Current
from core.handler.images import watched_tables
from core.handler.memory import Memory
from core.handler.recollection import state_of
from core.redis_names import baseline_key
from core.settings.rules import rule_for
from rtp_client.keys import cache_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.handler.baselines import Baselines
    from core.handler.images import Image, WatchedTable
    from core.handler.items import TableItems
    from core.handler.outcome import BatchOutcome
    from core.settings.models import Settings
    from rtp_client.cache.item_table import Item

_PORTION_SECONDS = 5.0


class BaselineRebuild:
    """Reads the tables once, in portions. `items` is called where there is something to read."""

    def __init__(self, settings: Settings, baselines: Baselines, items: Callable[[], TableItems]) -> None:
        self._baselines = baselines
        self._items = items
        self._tables = {
            table: [watched for watched in found if not watched.is_history]
            for table, found in watched_tables(settings).items()
        }

    def begin(self) -> None:
        """Redis holds nothing: the next ticks read all tables. Raises SinkUnavailable."""
        for table, watches in self._tables.items():
            if watches:
                self._baselines.note_rebuilt(table, "")

    def go_on(self, outcome: BatchOutcome) -> None:
        """Read a portion, where a table is left. Raises SinkUnavailable without Redis."""
        ends_at = time.monotonic() + _PORTION_SECONDS
        for table, place in self._baselines.rebuilding().items():
            if table not in self._tables:
                self._baselines.note_rebuilt(table, None)
                continue
            last_key = json.loads(place) if place else None
            try:
                while time.monotonic() < ends_at:
                    page = self._items().page(table, after=last_key)
                    outcome.notes["rebuilt"] += self._rebuild(table, page.items)
                    last_key = page.last_key
                    self._baselines.note_rebuilt(table, None if last_key is None else json.dumps(last_key))
                    if last_key is None:
                        break
            except SettingsError:
                continue  # a table that is not there is told by whoever reads its stream
            except RtpError as error:
                outcome.unread.append(f"baselines are not rebuilt from table {table}: {error}")

    def _rebuild(self, table: str, items: Sequence[Item]) -> int:
        now = datetime.now(UTC)
        found: dict[str, tuple[WatchedTable, Image]] = {}
        for watched in self._tables[table]:
            for item in items:
                if image := watched.image_of(item, now):
                    found[baseline_key(watched.name, *image.key)] = watched, image
        memories = zip(found.items(), self._baselines.load(list(found)), strict=True)
        moves = [_move(key, *owner, now) for (key, owner), memory in memories if memory.version == 0]
        return sum(self._baselines.commit(moves, at=now))


def _move(key: str, watched: WatchedTable, image: Image, now: datetime) -> BaselineMove:
    watch = watched.watch
    entry = cache_key(watch.kind, *image.key)
    memory = Memory(version=1)
    if not watch.has_value:
        return BaselineMove(key, Memory(), memory, current=Current(entry, json.dumps(image.fields), now))
    state = state_of(image.sample)
    value = amount_text(state.value) or ""
    due = due_at(state, rule_for(watch, *image.key))
    return BaselineMove(key, Memory(), replace(memory, state=state), due_at=due, current=Current(entry, value, now))
