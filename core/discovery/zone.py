"""Which time zone times without one are meant in, from the newest of them and the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core.zones import in_utc
from rtp_client.moment import ZONELESS_TYPES

if TYPE_CHECKING:
    from core.discovery.picture import FoundTable, Picture

_AHEAD, _RECENT = timedelta(minutes=5), timedelta(minutes=15)
_WIDEST = 14


def zone_for(table: FoundTable, column: str | None, picture: Picture) -> tuple[str, str] | None:
    """The zone of a column of times without one, and why; None of any other column."""
    time = table.by_name.get(column or "")
    if time is None or time.type not in ZONELESS_TYPES:
        return None
    return zone_of(table.newest.get(time.name), picture.now, picture.zone)


def zone_of(newest: datetime | None, now: datetime, session_zone: str) -> tuple[str, str]:
    """The zone, and why; `newest` is what the column says, without a zone.

    UTC is tried first, then the zone of the database's own sessions.
    """
    if newest is None:
        return "UTC", "nothing tells which zone its times are in; UTC is taken"
    if _fits(newest, now, "UTC"):
        return "UTC", "its newest time is now, taken as UTC"
    # Other names than those of places mean something else on another machine.
    if "/" in session_zone and _fits(newest, now, session_zone):
        return session_zone, f"its newest time is now, taken as {session_zone}, the database's own zone"
    ahead = newest.replace(tzinfo=now.tzinfo) - now
    if ahead > _AHEAD and (hours := ceil((ahead - _AHEAD) / timedelta(hours=1))) <= _WIDEST:
        return _east_of_utc(newest, now, session_zone, ahead, hours)
    return "UTC", "nothing tells which zone its times are in; UTC is taken"


def _east_of_utc(newest: datetime, now: datetime, session_zone: str, ahead: timedelta, hours: int) -> tuple[str, str]:
    """As UTC all rows would be set aside, their times being ahead of the clock."""
    zone = f"Etc/GMT-{hours}"
    if _fits(newest, now, zone):
        return zone, f"its newest time is {hours} h ahead of the clock, taken as UTC. Better name the place"
    minutes = round(ahead / timedelta(minutes=1))
    by = f"its newest time is {minutes // 60} h {minutes % 60} min ahead of the clock, taken as UTC"
    if "/" in session_zone and _fits(newest, now, session_zone, timedelta(days=1)):
        return session_zone, f"{by}, and {session_zone} is the database's own zone"
    return zone, f"{by}, so its zone is {hours} h from UTC, or more. Better name the place"


def _fits(newest: datetime, now: datetime, zone: str, within: timedelta = _RECENT) -> bool:
    try:
        age = now - in_utc(newest, ZoneInfo(zone))
    except (ValueError, OSError, LookupError):
        return False
    return -_AHEAD <= age <= within
