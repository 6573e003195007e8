"""What was decided upon an entity's changes: its next memory, and which changes are events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from core.detection.detector import Key
    from core.detection.report import Report
    from core.detection.state import EntityState
    from core.handler.change import Change
    from core.handler.memory import Memory, WaitingSample
    from rtp_client.event import DeletedBy


@dataclass(frozen=True)
class Raised:
    """A change that is an event. `report` is None for metadata."""

    change: Change
    report: Report | None

    @property
    def deletedby(self) -> DeletedBy | None:
        """Who deleted the item that is gone, where no writer did."""
        return self.change.deletedby if self.report is None else self.report.deletedby


@dataclass(frozen=True)
class Decision:
    """What came of an entity's changes.

    `notes` counts the changes that were no event, by reason; those that moved nothing are `set_aside`, each with why.
    `left` is what remains under the name that the entity had until now.
    """

    state: EntityState | None
    lanes: Mapping[str, int]
    waiting: Sequence[WaitingSample]
    raised: Sequence[Raised]
    due_at: datetime | None
    notes: Counter[str]
    set_aside: Sequence[tuple[Change, str]]
    has_changed: bool
    left: Memory | None = None


def entities(changes: Iterable[Change]) -> dict[tuple[str, Key], list[Change]]:
    """Changes by watch and entity, in order."""
    found: dict[tuple[str, Key], list[Change]] = {}
    for change in changes:
        found.setdefault((change.watch, change.key), []).append(change)
    return found
