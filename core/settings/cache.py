"""How long cache entries live, and how old a value in the cache may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from core.settings.fields import Duration, Real, SettingsModel, Whole

_Ttl = Annotated[Duration, Field(ge=timedelta(seconds=1))]
_MINUTE = timedelta(minutes=1)


class TtlSettings(SettingsModel):
    """How long an entry lives after it was written, per kind; None: redis.cache_ttl_seconds."""

    tvl: _Ttl | None = None
    price: _Ttl | None = None
    protocol: _Ttl | None = None


class StalenessSettings(SettingsModel):
    """How old a value in the cache may be, per kind; 0s: changes without an event do not reach the cache."""

    tvl: Duration = _MINUTE
    price: Duration = _MINUTE
    protocol: Duration = _MINUTE


class CacheSettings(SettingsModel):
    """What is in the cache besides the events, and for how long."""

    ttl: TtlSettings = TtlSettings()
    max_staleness: StalenessSettings = StalenessSettings()
    unknown_ttl_seconds: Real = Field(default=5, ge=0.1, le=3600)
    warm_entries: Whole = Field(default=1000, ge=0, le=1_000_000)

    def max_staleness_seconds(self, kind: str) -> float:
        """How old a value of this kind may be, in seconds; 0 where only events keep it fresh."""
        bound: timedelta = getattr(self.max_staleness, kind)
        return bound.total_seconds()

    def ttl_ms(self, kind: str, default_seconds: int) -> int:
        """How long an entry of this kind lives after it was written, in milliseconds."""
        ttl: timedelta | None = getattr(self.ttl, kind)
        return int((ttl.total_seconds() if ttl else default_seconds) * 1000)
