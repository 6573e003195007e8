"""How often, and when, people are told: limits like `20/min`, and quiet hours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator

from core.settings.fields import off_is_a_word, time_zone
from rtp_client.event import Severity

_UNITS = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LIMIT = re.compile(rf"([1-9][0-9]{{0,5}}) ?/ ?({'|'.join(_UNITS)})")
_HOURS = re.compile(r"([0-9:.]+) ?- ?([0-9:.]+)(?: +(?!unless\b)(\S+))?(?: +unless +(\S+))?")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True)
class MessageLimit:
    """At most so many messages in any stretch of so much time."""

    messages: int
    per: timedelta

    def __str__(self) -> str:
        unit = next(name for name, length in _UNITS.items() if length == self.per)
        return f"{self.messages}/{unit}"


@dataclass(frozen=True)
class Quiet:
    """The hours of each day, by the clocks of a zone, in which nothing is told that is less than `unless`."""

    begins: time
    ends: time
    zone: str
    unless: Severity | None = None

    def __str__(self) -> str:
        unless = f" unless {self.unless}" if self.unless else ""
        return f"{self.begins:%H:%M}-{self.ends:%H:%M} {self.zone}{unless}"


def read_limit(written: Any) -> MessageLimit | Literal["off"]:
    """What a limit says. Raises ValueError."""
    if isinstance(written, MessageLimit):
        return written
    if off_is_a_word(written) == "off":
        return "off"
    found = _LIMIT.fullmatch(written.strip()) if isinstance(written, str) else None
    if found is None:
        raise ValueError("must be so many messages in a time, like 20/min, 1/s, 100/h or 500/d, or off")
    return MessageLimit(int(found[1]), _UNITS[found[2]])


def read_quiet(written: Any) -> Quiet:
    """What quiet hours say. Raises ValueError."""
    if isinstance(written, Quiet):
        return written
    found = _HOURS.fullmatch(written.strip()) if isinstance(written, str) else None
    if found is None:
        raise ValueError('must be hours and a time zone, like "22:00-07:00 Europe/Zurich unless critical"')
    begins, ends, zone, unless = found.groups()
    quiet = Quiet(_clock(begins), _clock(ends), time_zone(zone or "UTC"), _exemption(unless))
    if quiet.begins == quiet.ends:
        raise ValueError("must end at another time of the day than they begin")
    return quiet


def _clock(written: str) -> time:
    found = _CLOCK.fullmatch("00:00" if written == "24:00" else written)
    if found is None:
        raise ValueError(f"must be hours like 22:00-07:00: {written} is no time of the day")
    return time(int(found[1]), int(found[2]))


def _exemption(written: str | None) -> Severity | None:
    if written not in (None, "warning", "critical"):
        raise ValueError("must end in `unless critical` or `unless warning`, or have no `unless`")
    return Severity(written) if written else None


LimitOrOff = Annotated[
    MessageLimit | Literal["off"], PlainValidator(read_limit), PlainSerializer(str, when_used="json")
]
QuietHours = Annotated[Quiet, PlainValidator(read_quiet), PlainSerializer(str, when_used="json")]
