"""The ways in which what runs in the foreground can end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """When to end without being told to."""

    after_seconds: float | None = None
    when_idle: bool = False

    @property
    def is_given(self) -> bool:
        return self.after_seconds is not None or self.when_idle
