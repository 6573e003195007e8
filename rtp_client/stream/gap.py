"""Where events may be missing, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtp_client.stream.position import Position


class GapReason(StrEnum):
    """Why it is not known what lay between two events."""

    TOO_OLD = "too_old"
    ANOTHER_LOG = "another_log"
    STREAM_LOST = "stream_lost"
    TRIMMED = "trimmed"


@dataclass(frozen=True, slots=True)
class Gap:
    """Events may be missing here; they go on behind `position`."""

    reason: GapReason
    message: str
    position: Position
