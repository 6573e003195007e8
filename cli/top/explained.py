"""What `rtp explain` finds out, as a board shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group

from cli.explain_tables import explanation_of
from cli.top.market import Point, finite
from cli.top.world import Details

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.inspection.explanation import Explanation


def details_of(found: Sequence[Explanation]) -> Details:
    """An entity in each watch that knows it, and the values of its last events."""
    events = sorted((event for one in found for event in one.events), key=lambda event: event.detected_at)
    values = [
        Point(event.detected_at.timestamp(), value)
        for event in events
        if event.current is not None and (value := finite(str(event.current))) is not None
    ]
    return Details(Group(*(explanation_of(one) for one in found)), values)
