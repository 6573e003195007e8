"""Which events the values of a snapshot hold already."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rtp_client.event import Event
    from rtp_client.live.messages import LiveEntry


class SnapshotReach:
    """How far each entity's value reaches; the first page of a snapshot voids what was known."""

    def __init__(self) -> None:
        self._reached: dict[tuple[str, str, str], tuple[str, int]] = {}

    def take(self, entries: Iterable[LiveEntry], *, is_first: bool) -> None:
        """A page of it."""
        if is_first:
            self._reached.clear()
        self._reached |= {(one.kind, one.chain, one.entity): (one.log, one.sequence) for one in entries}

    def holds(self, event: Event) -> bool:
        """Whether an event is in its entity's value; those of another log are not compared."""
        data = event.data
        log, sequence = self._reached.get((data.kind, data.chain, data.entity), ("", -1))
        return event.log == log and int(event.sequence) <= sequence
