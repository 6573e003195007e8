"""Moves over time: how far a value may be from where it was so long ago."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.settings.fields import Duration, Percent, SettingsModel

MOST_MOVES = 8


class MoveRule(SettingsModel):
    """A change of `percent` or more within `over`; told again once it has fallen below `recover_percent` of it."""

    over: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=90))]
    percent: Annotated[Percent, Field(gt=0)]
    direction: Literal["up", "down", "both"] = "both"
    recover_percent: Annotated[Percent, Field(gt=0)] | None = None

    @property
    def recovery(self) -> Decimal:
        """Below how many percent the move is over: half of `percent` by default."""
        return self.percent / 2 if self.recover_percent is None else self.recover_percent

    @cached_property
    def name(self) -> str:
        """What tells it from a watch's other moves: its memory is kept under this name."""
        return f"{self.over.total_seconds():g}s {self.percent:f}% {self.direction}"

    @model_validator(mode="after")
    def _recovers_below(self) -> Self:
        if self.recovery > self.percent:
            raise ValueError("recover_percent must not be more than percent")
        return self
