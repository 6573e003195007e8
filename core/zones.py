"""Times without a zone, read as PostgreSQL reads them (rtp_client/moment.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from datetime import tzinfo

FARTHEST = datetime(9999, 12, 30, tzinfo=UTC)
"""What stands for a time that is too far ahead for readers to hold (rtp.sane_time)."""


@cache
def zone_called(name: str) -> tzinfo:
    """The zone of a name that the settings have accepted."""
    return UTC if name == "UTC" else ZoneInfo(name)


def in_utc(moment: datetime, zone: tzinfo) -> datetime:
    """The moment in UTC. One that names no zone is taken for one of `zone`.

    An hour that the clocks of the zone show twice is the second one, and one that they skip is reckoned from before the
    skip: of its two readings, PostgreSQL takes the later one.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return max(moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
