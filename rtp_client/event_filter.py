"""Which events someone wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from rtp_client.event import Reason

if TYPE_CHECKING:
    from rtp_client.event import Event


@dataclass(frozen=True)
class EventFilter:
    """Every part that is given must match; one left out matches all.

    `chain` and `entity` are a name or a glob (`*`, `?`, `[...]`), whatever the case. `min_pct` asks for at least that
    |change_pct|, compared exactly. An event without a percentage does not pass it (metadata, first sightings,
    deletions, NaN), unless the move was infinite: away from zero, or to Infinity, is above any bound.
    """

    kind: str | None = None
    chain: str | None = None
    entity: str | None = None
    min_pct: Decimal | None = None

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        data = event.data
        return (
            (self.kind is None or data.kind == self.kind)
            and named(data.chain, self.chain)
            and named(data.entity, self.entity)
            and (self.min_pct is None or moved_at_least(data, self.min_pct))
        )


def named(name: str, wanted: str | None) -> bool:
    """Whether a name is the one wanted, or fits that glob, whatever the case."""
    if wanted is None:
        return True
    name, wanted = name.casefold(), wanted.casefold()
    # Equality first: a token called `[x]` is found by its own name.
    return name == wanted or fnmatchcase(name, wanted)


class Move(Protocol):
    """What tells how far a value has moved: an event's data, or a row of the log."""

    @property
    def current(self) -> str | None:
        """The value now."""

    @property
    def change_pct(self) -> str | None:
        """The change in percent, where there is one."""

    @property
    def reason(self) -> str:
        """Why it is an event."""


def moved_at_least(data: Move, min_pct: Decimal) -> bool:
    """Whether |change_pct| is at least this; an infinite move is, one without a percentage is not."""
    if data.change_pct is None:
        return data.reason == Reason.FROM_ZERO or data.current in ("Infinity", "-Infinity")
    percent = Decimal(data.change_pct)
    # copy_abs, as abs() would round to the context's 28 digits.
    return not percent.is_nan() and percent.copy_abs() >= min_pct
