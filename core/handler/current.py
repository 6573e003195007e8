"""What an entity is now, for its cache entry: also where no event tells of it, as the change was too small for one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.detection.report import amount_text
from rtp_client.keys import cache_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from core.detection.detector import Key
    from core.detection.state import EntityState
    from core.handler.decision import Decision
    from core.handler.memory import Memory
    from rtp_client.event import Event


@dataclass(frozen=True)
class Current:
    """A cache entry's value and when it was the table's: a decimal string, empty for null, or metadata as JSON."""

    key: str
    value: str
    as_of: datetime


def current_of(kind: str, key: Key, memory: Memory, decision: Decision, events: Sequence[Event]) -> Current | None:
    """What a decision makes of an entity; None where its last event says so, or nothing new is known."""
    if decision.raised and (row := decision.raised[-1].change.row) is not None:
        return Current(cache_key(kind, *key), json.dumps(row), decision.raised[-1].change.sample.at)
    state = decision.state
    is_unknown = state is not None and state.value is None and state.memory.agreement is not None
    if state is None or state.gone_at is not None or is_unknown:
        return None
    value = amount_text(newest_value(state))
    is_told = bool(events) and events[-1].data.current == value
    was = memory.state
    is_known = was is not None and was.sample_at == state.sample_at and newest_value(was) == newest_value(state)
    if is_told or (is_known and not events):
        return None
    return Current(cache_key(kind, *key), value or "", state.sample_at + state.lag)


def newest_value(state: EntityState) -> Decimal | None:
    """The value that the entity's newest sample had, be it in quarantine."""
    return state.last_value if state.suspect_since is None else state.suspect_value
