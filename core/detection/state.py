"""What the rules are given and what they give back: a sample, what is remembered of an entity, a judgement. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.detection.memory import NOTHING, RuleMemory
from core.detection.testimony import UNSAID, Testimony

if TYPE_CHECKING:
    from decimal import Decimal

    from core.detection.report import Report
    from rtp_client.event import DeletedBy

CompareWith = Literal["last_event", "previous_row"]
Shape = Literal["latest", "history"]
Note = Literal["late", "duplicate", "quarantined", "dismissed", "confirmed", "released", "held"]

NEVER = datetime.max.replace(tzinfo=UTC)
NO_LAG = NO_GRACE = timedelta(0)
_A_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of an entity at a time, and what its row says of itself, which only travels along.

    `seen_at` is when the sample arrived, by the clock that `tick` is told of; None: at its own time. `source` is which
    of an entity's sources says so, empty where the watch knows of none.
    """

    value: Decimal | None
    at: datetime
    testimony: Testimony = UNSAID
    seen_at: datetime | None = None
    source: str = ""

    @property
    def lag(self) -> timedelta:
        """How far the sample's time lies behind its arrival."""
        return NO_LAG if self.seen_at is None else lag_of(self.at, self.seen_at)


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is remembered of an entity.

    `value` is the baseline: what the next value is compared with. `last_value` is the newest one that was judged,
    `suspect_value` the newest one in quarantine; each has its row's testimony. `held` says that a cooldown holds an
    event back. `off_peg_since` is since when a price is off its peg, `memory` what else the rules remember. `lag` is
    the newest sample's: by so much the entity's own clock is behind. `gone_at` is since when the entity's row is gone,
    which is no event until that stands, and `deletedby` is then who deleted it.
    """

    value: Decimal | None
    reported_at: datetime
    sample_at: datetime
    last_value: Decimal | None
    suspect_value: Decimal | None = None
    suspect_since: datetime | None = None
    suspect_count: int = 0
    off_peg_since: datetime | None = None
    held: bool = False
    testimony: Testimony = UNSAID
    suspect_testimony: Testimony = UNSAID
    lag: timedelta = NO_LAG
    gone_at: datetime | None = None
    deletedby: DeletedBy | None = None
    memory: RuleMemory = NOTHING


@dataclass(frozen=True, slots=True)
class Judgement:
    """The next state, the event if there is one, and a note to count."""

    state: EntityState
    report: Report | None = None
    note: Note | None = None


class Seen(NamedTuple):
    """A value to judge at a moment of the entity's own clock, and what is known of its newest sample then."""

    value: Decimal | None
    at: datetime
    testimony: Testimony
    sample_at: datetime
    lag: timedelta


def lag_of(at: datetime, seen_at: datetime) -> timedelta:
    """How far a time lies behind an arrival, in whole seconds: nobody looks at the clock more often."""
    behind = seen_at - at
    return NO_LAG if behind < _A_SECOND else timedelta(behind.days, behind.seconds)


def later(moment: datetime, pause: timedelta) -> datetime:
    """A moment and a pause after it; `NEVER` where that is beyond all years."""
    try:
        return moment + pause
    except OverflowError:
        return NEVER
