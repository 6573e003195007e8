"""A price that should stay where it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from core.settings.fields import Duration, Magnitude, SettingsModel
from rtp_client.event import Severity

_Bps = Annotated[Magnitude, Field(gt=0, le=1_000_000)]
_CRITICAL_BPS = Decimal(500)


class PegTiers(SettingsModel):
    """From which distance on a price off its peg is how bad. None: from `deviation_bps` on, and from 500 on."""

    warning: _Bps | None = None
    critical: _Bps | None = None


class Peg(SettingsModel):
    """A price is off its peg from `deviation_bps` basis points on, and back when it is nearer than `recover_bps`.

    It must be off `for` so long before that is reported, and not be off again for `recover_for` before its way back is.
    A tier of `severity_bps` is reported again once the price was nearer, in the same proportion, for `recover_for`.
    `peg: 1.0` is short for `peg: {value: 1.0}`.
    """

    value: Annotated[Magnitude, Field(gt=0)] = Decimal(1)
    deviation_bps: Annotated[Magnitude, Field(gt=0, le=10_000)] = Decimal(50)
    recover_bps: Annotated[Magnitude, Field(gt=0, le=10_000)] | None = None
    off_for: Duration | None = Field(default=None, alias="for")
    recover_for: Duration | None = None
    severity_bps: PegTiers | None = None

    @property
    def recovery(self) -> Decimal:
        """From how many basis points on a price that was off is still off: half of `deviation_bps` by default."""
        return self.deviation_bps / 2 if self.recover_bps is None else self.recover_bps

    @property
    def warning(self) -> Decimal:
        """From how many basis points on it is a warning."""
        tiers = self.severity_bps or PegTiers()
        return self.deviation_bps if tiers.warning is None else tiers.warning

    @property
    def critical(self) -> Decimal:
        """From how many basis points on it is critical."""
        tiers = self.severity_bps or PegTiers()
        return max(_CRITICAL_BPS, self.warning) if tiers.critical is None else tiers.critical

    def tier_recovery(self, tier: Severity) -> Decimal:
        """From how many on a price that was as bad as that still is: in the proportion of the recovery to the band."""
        tier_begins = self.critical if tier is Severity.CRITICAL else self.warning
        return tier_begins * self.recovery / self.deviation_bps

    @model_validator(mode="before")
    @classmethod
    def _value_alone(cls, written: Any) -> Any:
        is_number = isinstance(written, (Decimal, int, float)) and not isinstance(written, bool)
        return {"value": written} if is_number else written

    @model_validator(mode="after")
    def _distances_rise(self) -> Self:
        if self.recovery > self.deviation_bps:
            raise ValueError("recover_bps must not be more than deviation_bps")
        if self.warning > self.critical:
            is_said = self.severity_bps is not None and self.severity_bps.warning is not None
            warning = f"{self.warning}{'' if is_said else ', as deviation_bps'}"
            raise ValueError(f"severity_bps must rise from warning ({warning}) to critical ({self.critical})")
        return self
