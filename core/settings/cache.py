"""How long cache entries live, and how old a value in the cache may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from core.kinds import Kinds
from core.settings.fields import Duration, Real, SettingsModel, Whole, derived, value_of, with_key_for_each

_Ttl = Annotated[Duration, Field(ge=timedelta(seconds=1))]
_MINUTE = timedelta(minutes=1)


class CacheSettings(SettingsModel):
    """What is in the cache besides the events, and for how long.

    `ttl` and `max_staleness` have a key for each kind. `ttl` is how long an entry lives after it was written; without
    it, for redis.cache_ttl_seconds. `max_staleness` is how old its value may be; 0s: only events change it.
    """

    kinds: ClassVar[Kinds]

    ttl: SettingsModel = SettingsModel()
    max_staleness: SettingsModel = SettingsModel()
    unknown_ttl_seconds: Real = Field(default=5, ge=0.1, le=3600)
    warm_entries: Whole = Field(default=1000, ge=0, le=1_000_000)

    def max_staleness_seconds(self, kind: str) -> float:
        """How old a value of this kind may be, in seconds; 0 where only events keep it fresh."""
        bound: timedelta = value_of(self.max_staleness, kind)
        return bound.total_seconds()

    def ttl_ms(self, kind: str, default_seconds: int) -> int:
        """How long an entry of this kind lives after it was written, in milliseconds."""
        ttl: timedelta | None = value_of(self.ttl, kind)
        return int((ttl.total_seconds() if ttl else default_seconds) * 1000)


def cache_model(kinds: Kinds) -> type[CacheSettings]:
    """The model with a key for each of these kinds."""
    ttl = with_key_for_each(SettingsModel, kinds, _Ttl | None)
    staleness = with_key_for_each(SettingsModel, kinds, Duration, _MINUTE)
    return derived(
        CacheSettings,
        kinds=(ClassVar[Kinds], kinds),
        ttl=(ttl, ttl()),
        max_staleness=(staleness, staleness()),
    )
