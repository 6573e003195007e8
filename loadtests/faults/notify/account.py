"""What each destination got, against what it should have got. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtp_client.event import Event

_ID = re.compile(r"^id=(\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class DestinationAccount:
    """Of one destination. An alert is reordered whose first arrival is behind that of a later one of its entity."""

    destination: str
    alerts: int
    lost: int
    reordered: int
    phantoms: int
    duplicates: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.reordered or self.phantoms)


def account(destination: str, expected: Sequence[Event], texts: Sequence[str]) -> DestinationAccount:
    """`texts` are the messages that the destination accepted, in order."""
    counts: Counter[str] = Counter()
    first: list[str] = []
    for text in texts:
        for event_id in _ID.findall(text):
            counts[event_id] += 1
            if counts[event_id] == 1:
                first.append(event_id)
    known = {event.id: event for event in expected}
    newest: dict[str, str] = {}
    reordered = 0
    for event in (known[event_id] for event_id in first if event_id in known):
        entity = event.data.entity
        reordered += event.sequence < newest.get(entity, "")
        newest[entity] = max(event.sequence, newest.get(entity, ""))
    return DestinationAccount(
        destination,
        alerts=len(expected),
        lost=sum(event_id not in counts for event_id in known),
        reordered=reordered,
        phantoms=sum(event_id not in known for event_id in counts),
        duplicates=sum(count - 1 for event_id, count in counts.items() if event_id in known),
    )
