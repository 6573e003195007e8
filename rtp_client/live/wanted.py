"""What a client asks for: which events, from where, and what else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypedDict, get_args

from rtp_client.errors import SettingsError
from rtp_client.event_filter import EventFilter
from rtp_client.redact import shown
from rtp_client.stream.position import Position

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rtp_client.event_filter import Names

Slow = Literal["conflate", "disconnect"]


class WantedParts(TypedDict, total=False):
    """All of them may be left out."""

    kind: Names
    chain: Names
    entity: Names
    """Each a name or a glob, or several, of which one must fit."""
    min_pct: Decimal | float | str | None
    """At least this |change_pct|."""
    severity: str | None
    """At least this."""
    reason: str | Sequence[str] | None
    """One of these."""
    market: bool | None
    """Whether it is part of a market-wide move."""
    resume: Position | str | None
    """Go on behind this position; "0" is before all that Redis holds."""
    snapshot: bool
    """Whether the current values come first, and again after each gap."""
    slow: Slow
    """What the gateway does with who reads too slowly: send the newest event of each entity alone, or disconnect."""


@dataclass(frozen=True)
class Wanted:
    """The same, checked."""

    filter: EventFilter
    resume: Position | None = None
    snapshot: bool = False
    slow: Slow = "conflate"

    @classmethod
    def of(cls, parts: WantedParts) -> Self:
        """Raises SettingsError."""
        resume, slow = parts.get("resume"), parts.get("slow", "conflate")
        if slow not in get_args(Slow):
            raise SettingsError(f"slow: must be {' or '.join(get_args(Slow))}, not {shown(str(slow))!r}")
        try:
            position = Position.parse(resume) if isinstance(resume, str) else resume
        except ValueError as error:
            raise SettingsError(f"resume: {error}, not {shown(str(resume))!r}") from None
        names = {part: value for part, value in parts.items() if part not in ("resume", "snapshot", "slow")}
        return cls(EventFilter.from_json(names), position, parts.get("snapshot", False), slow)
