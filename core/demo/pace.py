"""When each step is due: at a rate, or by the history's own time. Nothing here waits; the feed does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from core.demo.change import FeedStep
from core.errors import FeedError

Pace = Callable[[FeedStep], float]
"""Seconds after the first step at which this one is due; asked once per step, in order."""

_SPEED = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)x?")


def parse_speed(text: str) -> float | None:
    """`1x`, `60x` or `0.5x` as a factor of the history's own time; None for `max`, which never waits."""
    spelling = text.strip().lower()
    if spelling == "max":
        return None
    match = _SPEED.fullmatch(spelling)
    if match is None or float(match[1]) == 0:
        raise FeedError(
            f"--speed {text!r} is not a speed",
            "Use 1x for the history's own time, 60x for an hour in a minute, or max",
        )
    return float(match[1])


def at_rate(updates_per_second: float) -> Pace:
    """So many rows per second. After a step of several rows, the next one waits longer."""
    if not updates_per_second > 0:
        raise FeedError(f"A rate of {updates_per_second} updates per second writes nothing", "Use more than 0")
    rows_before = 0

    def due(step: FeedStep) -> float:
        nonlocal rows_before
        seconds = rows_before / updates_per_second
        rows_before += len(step.changes)
        return seconds

    return due


def by_history(speed: float | None) -> Pace:
    """Steps as far apart as in the history, divided by `speed`. A step without a time is due at once."""
    first: datetime | None = None

    def due(step: FeedStep) -> float:
        nonlocal first
        if speed is None or step.at is None:
            return 0
        first = first or step.at
        return (step.at - first) / timedelta(seconds=speed)

    return due
