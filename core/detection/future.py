"""Rows whose own time is further ahead than `max_future`: no rule sees them, and they move nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


def is_ahead(own_time: datetime, arrived_at: datetime, limit: timedelta | None) -> bool:
    """Whether a row's own time is further ahead of its arrival than the limit; never where there is none."""
    return limit is not None and own_time > arrived_at and own_time - arrived_at > limit
