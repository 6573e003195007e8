"""The glitch guard: values too far from the baseline to be believed at once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from core.settings.fields import Duration, Magnitude, SettingsModel, Whole


class GlitchGuard(SettingsModel):
    """Quarantine for jumps to more than `factor` times the baseline, or to less than that part of it.

    It lasts until confirmed, dismissed or released. Between values below `min_value` nothing is a jump.
    """

    factor: Annotated[Magnitude, Field(gt=1)]
    confirmations: Whole = Field(default=1, ge=1, le=100)
    release_after: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(hours=1)
    min_value: Magnitude = Decimal(0)
