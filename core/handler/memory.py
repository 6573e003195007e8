"""What is remembered of an entity between two batches, and its spelling in Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.detection.market import market_text
from core.detection.memory import memory_of, memory_text
from core.detection.report import amount_text
from core.detection.state import EntityState, Sample
from core.detection.testimony import UNSAID, Testimony

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.detection.market import MarketMemory

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class WaitingSample:
    """A sample that was handed over, and waits until `due_at` for earlier ones of its entity."""

    event_id: str
    sequence_number: int
    sample: Sample
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """An entity's baseline.

    `version` counts its changes; 0 where Redis holds nothing. `lanes` has the last sequence number judged of each
    item that the entity's samples came from. `unsent` counts the alerts that queues may not have yet.
    `waiting` are samples that are not judged yet.
    `is_doubtful` says that Redis has restarted since, perhaps from an older state. Baselines without lanes are from the
    table: no record of the entity was judged. The memory of a whole watch has its `market`, and nothing else.
    """

    version: int = 0
    state: EntityState | None = None
    lanes: Mapping[str, int] = field(default_factory=dict)
    unsent: int = 0
    waiting: Sequence[WaitingSample] = ()
    is_doubtful: bool = False
    market: MarketMemory | None = None


def write_memory(memory: Memory) -> str:
    """What a memory is about, as JSON: an entity's state, or a watch's market-wide moves."""
    return write_state(memory.state) if memory.market is None else market_text(memory.market)


def write_state(state: EntityState | None) -> str:
    """A state as JSON; empty for none."""
    if state is None:
        return ""
    values = (
        amount_text(state.value),
        microseconds(state.reported_at),
        microseconds(state.sample_at),
        amount_text(state.last_value),
        amount_text(state.suspect_value),
        None if state.suspect_since is None else microseconds(state.suspect_since),
        state.suspect_count,
        None if state.off_peg_since is None else microseconds(state.off_peg_since),
        state.held,
        _written(state.testimony),
        _written(state.suspect_testimony),
        state.lag // _MICROSECOND,
        None if state.gone_at is None else microseconds(state.gone_at),
        state.deletedby,
        memory_text(state.memory),
    )
    return json.dumps(values, separators=(",", ":"))


def read_state(text: str) -> EntityState | None:
    """The state that `write_state` wrote."""
    if not text:
        return None
    values = json.loads(text)
    value, reported_at, sample_at, last_value, suspect, suspect_since, suspect_count, off_peg_since, held = values[:9]
    testimony, suspect_testimony, lag = values[9:12] or (None, None, 0)
    gone_at, deletedby, memory = (*values[12:15], None, None, None)[:3]
    # Earlier versions of rtp kept no testimony: what is known of the row is its time.
    seen = Testimony(moment_at(sample_at))
    return EntityState(
        value=_amount(value),
        reported_at=moment_at(reported_at),
        sample_at=moment_at(sample_at),
        last_value=_amount(last_value),
        suspect_value=_amount(suspect),
        suspect_since=None if suspect_since is None else moment_at(suspect_since),
        suspect_count=suspect_count,
        off_peg_since=None if off_peg_since is None else moment_at(off_peg_since),
        held=held,
        testimony=_testimony(testimony).or_else(seen),
        suspect_testimony=UNSAID if suspect_since is None else _testimony(suspect_testimony).or_else(seen),
        lag=lag * _MICROSECOND,
        gone_at=None if gone_at is None else moment_at(gone_at),
        deletedby=deletedby,
        memory=memory_of(memory),
    )


def write_lanes(lanes: Mapping[str, int]) -> str:
    """Positions as JSON, in decimal strings: most readers of JSON would round 40 digits."""
    return json.dumps({lane: str(number) for lane, number in lanes.items()}, separators=(",", ":"))


def read_lanes(text: str) -> Mapping[str, int]:
    """The positions that `write_lanes` wrote."""
    return {lane: int(number) for lane, number in json.loads(text or "{}").items()}


def write_waiting(waiting: Sequence[WaitingSample]) -> str:
    """Waiting samples as JSON; empty for none."""
    if not waiting:
        return ""
    values = [
        (
            one.event_id,
            str(one.sequence_number),
            amount_text(one.sample.value),
            microseconds(one.sample.at),
            _written(one.sample.testimony),
            None if one.sample.seen_at is None else microseconds(one.sample.seen_at),
            microseconds(one.due_at),
            one.sample.source,
        )
        for one in waiting
    ]
    return json.dumps(values, separators=(",", ":"))


def read_waiting(text: str) -> Sequence[WaitingSample]:
    """The samples that `write_waiting` wrote."""
    return [
        WaitingSample(
            event_id,
            int(number),
            Sample(_amount(value), moment_at(at), _testimony(said), None if seen is None else moment_at(seen), *source),
            moment_at(due),
        )
        for event_id, number, value, at, said, seen, due, *source in (json.loads(text) if text else ())
    ]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_at(number: int) -> datetime:
    """The moment so many microseconds since 1970."""
    return _EPOCH + number * _MICROSECOND


def _written(testimony: Testimony) -> tuple[int | None, float | None, str | None] | None:
    if testimony == UNSAID:
        return None
    changed_at, confidence, provenance = testimony
    return None if changed_at is None else microseconds(changed_at), confidence, provenance


def _testimony(written: Sequence[Any] | None) -> Testimony:
    if written is None:
        return UNSAID
    changed_at, confidence, provenance = written
    return Testimony(None if changed_at is None else moment_at(changed_at), confidence, provenance)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
