"""MarketWide-wide moves: when so many of a watch's entities fire at once that they are one event."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from core.settings.fields import Duration, Magnitude, Percent, SettingsModel, Whole


class MarketWide(SettingsModel):
    """More than `share` of the entities, and at least `min_entities`, have fired within `within`.

    Who differs from the median by more than `beyond` percentage points is not part of it.
    """

    share: Annotated[Magnitude, Field(gt=0, lt=1)] = Decimal("0.3")
    min_entities: Whole = Field(default=5, ge=2, le=1000)
    within: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(minutes=1)
    beyond: Percent = Decimal(10)
