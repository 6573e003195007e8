"""Quiet hours: by the clocks on the walls of their zone, whatever is done to those in spring and autumn. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from core.zones import zone_called

if TYPE_CHECKING:
    from core.settings.rhythm import Quiet

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


def quiet_until(quiet: Quiet, now: float) -> float | None:
    """When the quiet hours of now end; None where it is not quiet. Unix time."""
    here = datetime.fromtimestamp(now, zone_called(quiet.zone))
    if not _holds(quiet, here):
        return None
    runs_on = quiet.begins > quiet.ends and here.time() >= quiet.begins
    end = datetime.combine(here.date() + (_DAY if runs_on else timedelta(0)), quiet.ends, tzinfo=here.tzinfo)
    moment = end.astimezone(UTC)
    if moment.timestamp() <= now:  # the clocks show the end twice, and this is the second time
        moment = end.replace(fold=1).astimezone(UTC)
    # Where the clocks skip the end, quiet hours are over as soon as they have.
    while not _holds(quiet, (moment - _MINUTE).astimezone(here.tzinfo)):
        moment -= _MINUTE
    return moment.timestamp()


def last_end(quiet: Quiet, now: float) -> float:
    """When quiet hours have last ended. Unix time."""
    here = datetime.fromtimestamp(now, zone_called(quiet.zone))
    day = here.date() if here.time() >= quiet.ends else here.date() - _DAY
    return datetime.combine(day, quiet.ends, tzinfo=here.tzinfo).timestamp()


def _holds(quiet: Quiet, here: datetime) -> bool:
    shown = here.time()
    if quiet.begins < quiet.ends:
        return quiet.begins <= shown < quiet.ends
    return shown >= quiet.begins or shown < quiet.ends
