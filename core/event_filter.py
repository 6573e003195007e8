"""Which events someone wants to see."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from core.event import Reason

if TYPE_CHECKING:
    from core.event import Event, EventData, Kind


@dataclass(frozen=True)
class EventFilter:
    """Every part that is given must match; one left out matches all.

    `chain` and `entity` (protocol or token) are a name or a glob (`*`, `?`, `[...]`), whatever the case. `min_pct` asks
    for at least that |change_pct|, compared exactly. An event without a percentage does not pass it (metadata, first
    sightings, deletions, NaN), unless the move was infinite: away from zero, or to Infinity, is above any bound.
    """

    kind: Kind | None = None
    chain: str | None = None
    entity: str | None = None
    min_pct: Decimal | None = None

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        data = event.data
        return (
            (self.kind is None or data.kind == self.kind)
            and _named(data.chain, self.chain)
            and _named(data.entity, self.entity)
            and (self.min_pct is None or _moved(data, self.min_pct))
        )


def _named(name: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    name, wanted = name.casefold(), wanted.casefold()
    # Equality first: a token called `[x]` is found by its own name.
    return name == wanted or fnmatchcase(name, wanted)


def _moved(data: EventData, min_pct: Decimal) -> bool:
    if data.change_pct is None:
        return data.reason is Reason.FROM_ZERO or data.current in ("Infinity", "-Infinity")
    percent = Decimal(data.change_pct)
    # copy_abs, as abs() would round to the context's 28 digits.
    return not percent.is_nan() and percent.copy_abs() >= min_pct
