"""One batch of stream records from end to end: changes are settled, records that cannot be read are buried."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.detection.state import Sample
from core.errors import EventRejected, RtpError, SinkUnavailable
from core.handler.change import Change
from core.handler.images import watched_tables
from core.handler.memory import microseconds
from core.handler.ordering import waits_of
from core.handler.outcome import BatchOutcome
from core.handler.progress import LAMBDA
from core.handler.rebuild import BaselineRebuild
from core.handler.recollection import Recollection
from core.handler.record import table_of
from core.handler.settlement import Settlement
from core.letters.stream_letters import StreamLetter
from core.redis_names import baseline_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from core.handler.alerts import Alerts
    from core.handler.baselines import Baselines
    from core.handler.freshness import CacheKeeper
    from core.handler.items import TableItems
    from core.handler.letters import LetterForwarder
    from core.handler.progress import Progress
    from core.settings.models import Settings

_TICKS_AT_ONCE = 1000
_MOST_TICK_ROUNDS = 30
_NO_TIME = timedelta(0)
_UNSENT_FOR = timedelta(seconds=10)
"""So old is an alert that its own batch no longer sends."""


class BatchProcessor:
    """Processes batches. `alerts` None: no alerts. `bury` takes a dead letter, or raises SinkUnavailable.

    `forwarder` moves dead letters to the queue that the settings name for them. `items` reads the watched tables, and
    `keeper` keeps the cache from them; None: they are not read.
    """

    def __init__(
        self,
        settings: Settings,
        baselines: Baselines,
        alerts: Alerts | None,
        *,
        bury: Callable[[StreamLetter], None],
        forwarder: LetterForwarder | None = None,
        items: Callable[[], TableItems] | None = None,
        keeper: Callable[[], CacheKeeper] | None = None,
        progress: Progress | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._progress = progress
        self._tables = watched_tables(settings)
        self._watches = {name: settings.watches[name] for name in settings.dynamodb.tables}
        self._keeper = keeper
        self._rebuild = None if items is None else BaselineRebuild(settings, baselines, items)
        begin = (lambda: None) if self._rebuild is None else self._rebuild.begin
        self._recollection = Recollection(settings, baselines, items, on_empty=begin)
        self._settlement = Settlement(settings, baselines, alerts, self._recollection, bury=bury, clock=clock)
        self._baselines = baselines
        self._alerts = alerts
        self._bury = bury
        self._forwarder = forwarder
        self._clock = clock
        self._longest_wait = max(waits_of(settings).values(), default=_NO_TIME)

    def process(self, records: Sequence[Mapping[str, Any]], *, shard: str = LAMBDA) -> BatchOutcome:
        """Process records of one shard, in their order."""
        outcome, failed = BatchOutcome(), set[int]()
        changes, letters = self._read(records, outcome.notes)
        try:
            failed = self._settlement.settle(changes, outcome)
            if self._longest_wait:
                self._settle_due(self._clock(), outcome)
        except SinkUnavailable as error:
            outcome.causes.append(str(error))
            failed.add(0)
        for index, letter in letters:
            # A standard queue drops no duplicates. A record that comes again anyway is buried then, and only then.
            if index >= min(failed, default=len(records)):
                continue
            try:
                self._bury(letter)
            except SinkUnavailable as error:
                outcome.causes.append(f"{letter.reason}; and {error}")
                failed.add(index)
            else:
                outcome.dead_letters.append(letter)
        if outcome.dead_letters:
            self._forward(outcome)
        if failed:
            outcome.failed = _sequence_number(records[min(failed)])
        if self._progress is not None:
            self._progress.note_batch(records, min(failed, default=len(records)), outcome, shard=shard)
        return outcome

    def judge(self, changes: Sequence[Change]) -> BatchOutcome:
        """Judge changes that no record tells of. Raises SinkUnavailable."""
        outcome = BatchOutcome()
        self._settlement.settle(changes, outcome)
        return outcome

    def tick(self) -> BatchOutcome:
        """Judge what time alone brings about, and send the alerts that were left behind. A schedule calls it.

        Raises SinkUnavailable without Redis.
        """
        outcome, now = BatchOutcome(), self._clock()
        self._recollection.look(outcome)
        for _ in range(_MOST_TICK_ROUNDS):
            due = self._settle_due(now, outcome)
            if due < _TICKS_AT_ONCE:
                break
        if self._alerts is not None:
            outcome.add_alerts(self._alerts.resend(now - _UNSENT_FOR))
            outcome.pending = self._alerts.pending()
        self._forward(outcome)
        if self._longest_wait:
            outcome.samples_wait = self._baselines.count_due(now + self._longest_wait)
        if self._rebuild is not None:
            self._rebuild.go_on(outcome)
        if self._keeper is not None:
            self._keep(self._keeper, outcome)
        if self._progress is not None:
            self._progress.note_tick()
        return outcome

    def _settle_due(self, now: datetime, outcome: BatchOutcome) -> int:
        """Bring time to the entities that wait for it. Returns how many were due. Raises SinkUnavailable."""
        keys = self._baselines.due(now, _TICKS_AT_ONCE)
        owners = [(key, *baseline_owner(key)) for key in keys]
        self._baselines.forget_due([key for key, watch, _, _ in owners if watch not in self._watches])
        self._settlement.settle([self._tick(*owner, now) for owner in owners if owner[1] in self._watches], outcome)
        return len(keys)

    def _keep(self, keeper: Callable[[], CacheKeeper], outcome: BatchOutcome) -> None:
        try:
            outcome.notes["cache renewed"] += keeper().keep()
        except SinkUnavailable:
            raise
        except RtpError as error:
            outcome.unread.append(f"the cache's quiet entries are not kept fresh: {error}")

    def _forward(self, outcome: BatchOutcome) -> None:
        if self._forwarder is None:
            return
        if trouble := self._forwarder.forward():
            outcome.troubles.append(trouble)
        outcome.letters_wait = self._forwarder.is_behind

    def _tick(self, name: str, watch: str, chain: str, entity: str, now: datetime) -> Change:
        event_id = f"tick-{microseconds(now)}-{hashlib.blake2s(name.encode(), digest_size=8).hexdigest()}"
        known_as = chain, entity
        key = self._watches[watch].key_of(chain, entity)
        return Change(watch, key, "tick", event_id, Sample(None, now), former=None if key == known_as else known_as)

    def _read(
        self, records: Sequence[Mapping[str, Any]], notes: Counter[str]
    ) -> tuple[list[Change], list[tuple[int, StreamLetter]]]:
        """The records' changes, and for each record that cannot be read its place and a dead letter."""
        changes: list[Change] = []
        letters: list[tuple[int, StreamLetter]] = []
        for index, record in enumerate(records):
            name = table_of(record)
            if not name:
                letters.append((index, StreamLetter("the record does not say which stream it is of", record=record)))
            elif name not in self._tables:
                letters.append((index, StreamLetter(f"table {name} feeds no watch", record=record)))
            watched, passed_over = self._tables.get(name, ()), Counter[str]()
            for table in watched:
                try:
                    changes.extend(table.changes(record, index, passed_over))
                except EventRejected as error:
                    letters.append((index, StreamLetter(f"watch {table.name}: {error}", record=record)))
            if passed_over and passed_over.total() == len(watched):
                notes["expired" if passed_over["expired"] else "elsewhere"] += 1
        return changes, letters


def _sequence_number(record: Mapping[str, Any]) -> str:
    """The id by which Lambda knows the record. Empty for a record without one: then the whole batch comes again."""
    body = record.get("dynamodb") if isinstance(record, dict) else None
    return str(body.get("SequenceNumber", "")) if isinstance(body, dict) else ""
