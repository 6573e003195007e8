"""What a service answers to a message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Accepted:
    """The service has it."""


@dataclass(frozen=True)
class Later:
    """Not now. `after_seconds` is how long the service asks to be left alone; None: it does not say.

    `is_away` is true where there was no answer at all, or one that says the service itself is down.
    """

    reason: str
    after_seconds: float | None = None
    is_away: bool = False


@dataclass(frozen=True)
class Declined:
    """Never: this message, or all of them, as they are."""

    reason: str


Answer = Accepted | Later | Declined
