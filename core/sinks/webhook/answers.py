"""What a webhook's answer means for the events that were sent, and for those behind them; docs/reference/webhook.md."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

    from core.sinks.webhook.connection import WebAnswer

MOST_RETRY_AFTER_SECONDS = 3600.0
_MOST_SHOWN = 200
_TOO_MANY_REQUESTS = 429
_BUSY = frozenset({408, 425, _TOO_MANY_REQUESTS, 502, 503, 504})
# These statuses are about the request's sender or address, not about the event in it.
_MISDIRECTED = frozenset({401, 403, 407})


class Meaning(Enum):
    """What becomes of what was sent."""

    TAKEN = auto()
    FAILED = auto()
    """Not taken now; other groups may be."""
    REFUSED = auto()
    """For its own sake; it may still be taken at a later try."""
    DEAD = auto()
    """For its own sake and for good."""
    BUSY = auto()
    """The webhook takes nothing now."""
    MISDIRECTED = auto()
    """The webhook takes nothing until somebody mends the settings, or the webhook."""


def meaning_of(status: int) -> Meaning:
    """What a status says."""
    if 200 <= status < 300:
        return Meaning.TAKEN
    if status in _MISDIRECTED or 300 <= status < 400:
        return Meaning.MISDIRECTED
    if status == 404:  # a route that is being deployed, as likely as one that is gone
        return Meaning.REFUSED
    if 400 <= status < 500 and status not in _BUSY:
        return Meaning.DEAD
    return Meaning.FAILED if 500 <= status < 600 and status not in _BUSY else Meaning.BUSY


def reason_of(answer: WebAnswer, hidden: re.Pattern[str]) -> str:
    """The answer in a few words, without what is to be hidden of them."""
    if 300 <= answer.status < 400:
        return f"it answers {answer.status}, and rtp follows no redirect. Write the address that it leads to"
    said = hidden.sub("***", answer.body.decode("utf-8", "replace"))
    said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    shown = f": {said[:_MOST_SHOWN]}{'…' if len(said) > _MOST_SHOWN else ''}" if said else ""
    return f"it answers {answer.status}{shown}"


def wish_of(status: int, seconds: float) -> str:
    """What a webhook asks for that takes nothing now; empty where it asks for nothing."""
    if not seconds:
        return "asked us to slow down" if status == _TOO_MANY_REQUESTS else ""
    until = f"{datetime.now(UTC) + timedelta(seconds=seconds):%H:%M:%S}Z"
    return f"asked us to {'slow down' if status == _TOO_MANY_REQUESTS else 'wait'} until {until}"


def retry_after_seconds(answer: WebAnswer, now: float) -> float:
    """How long the webhook asks to be left alone: a number of seconds, or a date; 0 where it does not."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        seconds = float(asked[:9])
    else:
        try:
            seconds = parsedate_to_datetime(asked).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_SECONDS)
