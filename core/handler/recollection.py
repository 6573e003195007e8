"""What Redis may have lost, or kept from before: a memory is made right from the table before anything is judged by it.

In a table of shape `latest` the record itself tells: its old image is what the entity was before, however far the
stream is behind. In a history the sample before it is asked of the table, once for an entity.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from core.detection.state import EntityState
from core.detection.verdict import same
from core.errors import RtpError, ServiceUnavailable, SinkUnavailable, StatementRefused
from core.handler.change import why_aside
from core.handler.current import newest_value
from core.handler.images import watched_tables
from core.handler.ordering import waits_of
from core.problem import counted
from core.settings.rules import rule_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.detection.state import Sample
    from core.handler.baselines import Baselines
    from core.handler.change import Change
    from core.handler.images import WatchedTable
    from core.handler.items import TableItems
    from core.handler.memory import Memory
    from core.handler.outcome import BatchOutcome
    from core.settings.models import Settings

_MOST_EARLIER = 25
_AT_ONCE = timedelta(0)
_REST = timedelta(minutes=1)
"""So long a table is left alone that could not be read."""


class Recollection:
    """Makes memories right. `items` None: tables are not read."""

    def __init__(
        self,
        settings: Settings,
        baselines: Baselines,
        items: Callable[[], TableItems] | None,
        *,
        on_empty: Callable[[], None] = lambda: None,
    ) -> None:
        self._baselines = baselines
        self._items = items
        self._on_empty = on_empty
        self._tables: dict[str, tuple[str, WatchedTable]] = {
            watched.name: (table, watched) for table, found in watched_tables(settings).items() for watched in found
        }
        self._waits = waits_of(settings)
        self._marker: str | None = None
        self._has_read = False
        self._rests_until = datetime.min.replace(tzinfo=UTC)

    def look(self, outcome: BatchOutcome) -> None:
        """Notice by the marker whether Redis still is what it was. Raises SinkUnavailable."""
        self._baselines.load([])
        self._note_marker(outcome)

    def recall(self, memory: Memory, changes: Sequence[Change], outcome: BatchOutcome) -> Memory:
        """The memory by which an entity's changes may be judged. Raises SinkUnavailable."""
        self._note_marker(outcome)
        new = [change for change in changes if _is_new(change, memory)]
        if not new or new[0].what in ("tick", "metadata"):
            return memory
        if self._tables[new[0].watch][1].is_history:
            # Where sources must agree, the sample before is the word of one: they say it again.
            return memory if self._tables[new[0].watch][1].source else self._with_earlier(memory, new, outcome)
        if memory.state is None or (memory.lanes and not memory.is_doubtful):
            return memory
        if not memory.lanes:  # from the table, and the record knows better what was before
            return replace(memory, state=None)
        if self._may_be_continued(memory.state, new[0]):
            return memory
        outcome.lost["older"] += 1
        return replace(memory, state=None)

    def _may_be_continued(self, state: EntityState, change: Change) -> bool:
        """Whether a record's old image is what was judged last, so that no record between the two is missing.

        An old image that was passed over when it was new says nothing, nor does an item that is back where deletions by
        the time to live are no events.
        """
        watched, before = self._tables[change.watch][1], change.before
        if before is None:
            return change.had_before or state.gone_at is not None or watched.ignores_ttl
        assert watched.watch.has_value
        if why_aside(before, watched.watch, rule_for(watched.watch, *change.key)):
            return True
        return same(before.value, newest_value(state))

    def _note_marker(self, outcome: BatchOutcome) -> None:
        found = self._baselines.marker
        if found is not None and found == self._marker:
            return
        if found is None and self._baselines.mark():
            self._on_empty()
        if self._marker is not None:
            outcome.lost["all"] = 1
        self._marker = self._baselines.marker

    def _with_earlier(self, memory: Memory, new: Sequence[Change], outcome: BatchOutcome) -> Memory:
        is_unknown = memory.version == 0
        if not is_unknown and not (memory.is_doubtful and memory.state is not None):
            return memory
        earlier = self._earlier(new, outcome)
        if earlier is None or (memory.state is not None and earlier.at <= memory.state.sample_at):
            return memory
        if not is_unknown:
            outcome.lost["older"] += 1
        return replace(memory, state=state_of(earlier))

    def _earlier(self, new: Sequence[Change], outcome: BatchOutcome) -> Sample | None:
        """The newest sample of a history before these. Raises SinkUnavailable where it is to be had later."""
        first = new[0]
        # Where samples wait for earlier ones, what the table has of so late may still be handed over.
        begin = min(change.sample.at for change in new) - self._waits.get(first.watch, _AT_ONCE)
        table, watched = self._tables[first.watch]
        if self._items is None or first.item is None or datetime.now(UTC) < self._rests_until:
            return None
        try:
            found = self._items().before(table, first.item, limit=_MOST_EARLIER)
        except RtpError as error:
            is_transient = isinstance(error, ServiceUnavailable) and not isinstance(error, StatementRefused)
            if is_transient and self._has_read:
                raise SinkUnavailable("DynamoDB", table, str(error)) from error
            # Without the right or the way to read, no later try is better: say so, and go on with what is known.
            self._rests_until = datetime.now(UTC) + _REST
            outcome.unread.append(f"watch {first.watch}: samples before the first are not known: {error}")
            return None
        self._has_read = True
        images = (watched.image_of(item, begin) for item in found)
        return next(
            (image.sample for image in images if image and image.key == first.key and image.sample.at < begin), None
        )


def about_lost(outcome: BatchOutcome) -> str | None:
    """One line about what Redis has lost; None where it has lost nothing."""
    if outcome.lost["all"]:
        return "Redis has lost its memory: baselines are taken from the tables and the records' old images"
    if outcome.lost["older"]:
        count = counted(outcome.lost["older"], "baseline was", "baselines were")
        return f"Redis has restarted from an older state: {count} replaced by what the stream says came before"
    return None


def state_of(sample: Sample) -> EntityState:
    """The state of an entity of which nothing is known but a sample."""
    return EntityState(
        sample.value,
        reported_at=sample.at,
        sample_at=sample.at,
        last_value=sample.value,
        testimony=sample.testimony,
    )


def _is_new(change: Change, memory: Memory) -> bool:
    return change.position is None or change.position.sequence_number > memory.lanes.get(change.position.lane, -1)
