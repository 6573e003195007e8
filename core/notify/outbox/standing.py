"""How a destination stands."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from core.notify.counts import DestinationCounts
from rtp_client.stream.entries import parse

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Standing:
    """As Redis has it. `counts` begin with its outbox; times are Unix time."""

    counts: DestinationCounts = field(default_factory=DestinationCounts)
    failures_in_a_row: int = 0
    retry_at: float = 0.0
    reason: str = ""
    told_at: float = 0.0
    spent_until: float = 0.0
    waiting: int = 0
    oldest_at: float | None = None

    def oldest_seconds(self, now: float) -> float:
        """How long the oldest alert has waited."""
        return 0.0 if self.oldest_at is None else max(0.0, now - self.oldest_at)


def standing_in(hash_: Mapping[bytes, bytes], waiting: int, oldest: Any) -> Standing:
    """The standing that Redis answers with: its hash, how many alerts wait, and the entry of the oldest."""
    said = {name.decode(): value.decode() for name, value in hash_.items()}
    counts = {one.name: int(said.get(one.name, 0)) for one in fields(DestinationCounts)}
    first = parse(oldest)
    return Standing(
        counts=DestinationCounts(**counts),
        failures_in_a_row=int(said.get("failures_in_a_row", 0)),
        retry_at=float(said.get("retry_at", 0)),
        reason=said.get("reason", ""),
        told_at=float(said.get("told_at", 0)),
        spent_until=float(said.get("spent_until", 0)),
        waiting=waiting,
        oldest_at=first[0].order[0] / 1000 if first else None,
    )
