"""The watches: which table holds what, and from when on a change of it is significant.

`docs/detection.md` says what each rule means.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, WrapValidator, model_validator

from core.settings.fields import (
    Duration,
    Glob,
    Identifier,
    Magnitude,
    Percent,
    Real,
    SettingsModel,
    Table,
    Text,
    Whole,
    one_column_complaint,
)


class Constant(SettingsModel):
    """Stands where a column name could: the same value for every row."""

    const: Text


Column = Annotated[Identifier | Constant, WrapValidator(one_column_complaint)]
EVERYWHERE = Constant(const="all")


class _Columns(SettingsModel):
    chain: Column = EVERYWHERE
    changed_at: Identifier | None = None
    confidence: Identifier | None = None
    provenance: Identifier | None = None


class TvlColumns(_Columns):
    """Which column of the user's table holds what."""

    protocol: Column
    value: Identifier

    @property
    def entity(self) -> Identifier | Constant:
        """What the table's rows are about."""
        return self.protocol


class PriceColumns(_Columns):
    """Which column of the user's table holds what."""

    token: Column
    value: Identifier

    @property
    def entity(self) -> Identifier | Constant:
        """What the table's rows are about."""
        return self.token


class ProtocolColumns(_Columns):
    """Which column of the user's table holds what."""

    protocol: Column

    @property
    def entity(self) -> Identifier | Constant:
        """What the table's rows are about."""
        return self.protocol


class SeverityTiers(SettingsModel):
    """From which |change_pct| on a change has which severity, in percent."""

    info: Percent = Decimal(0)
    warning: Percent = Decimal(5)
    critical: Percent = Decimal(20)

    @model_validator(mode="after")
    def _tiers_rise(self) -> Self:
        if not self.info <= self.warning <= self.critical:
            raise ValueError("the tiers must rise from info over warning to critical")
        return self


class Peg(SettingsModel):
    """A price that should stay where it is; off by `deviation_bps` basis points or more is an event.

    `peg: 1.0` is short for `peg: {value: 1.0}`.
    """

    value: Annotated[Magnitude, Field(gt=0)] = Decimal(1)
    deviation_bps: Annotated[Magnitude, Field(gt=0, le=10_000)] = Decimal(50)

    @model_validator(mode="before")
    @classmethod
    def _value_alone(cls, written: Any) -> Any:
        is_number = isinstance(written, (Decimal, int, float)) and not isinstance(written, bool)
        return {"value": written} if is_number else written


class GlitchGuard(SettingsModel):
    """Quarantine for jumps above `factor` times the baseline, until confirmed, dismissed or released."""

    factor: Annotated[Magnitude, Field(gt=1)]
    confirmations: Whole = Field(default=1, ge=1, le=100)
    release_after: Duration = timedelta(hours=1)


class _Rules(SettingsModel):
    """What an override can set; None leaves it to the watch."""

    percent: Percent | None = None
    min_change: Magnitude | None = None
    heartbeat: Duration | None = None
    cooldown: Duration | None = None
    emit_first: bool | None = None
    severity: SeverityTiers | None = None
    glitch_guard: GlitchGuard | None = None
    chain: Glob | None = None


class TvlOverride(_Rules):
    """Other rules for some protocols or chains; names may be globs (`*`, `?`)."""

    protocol: Glob | None = None

    @property
    def entity(self) -> str | None:
        """The protocol's name or glob."""
        return self.protocol


class PriceOverride(_Rules):
    """Other rules for some tokens or chains; names may be globs (`*`, `?`)."""

    token: Glob | None = None
    peg: Peg | None = None

    @property
    def entity(self) -> str | None:
        """The token's name or glob."""
        return self.token


class _Watch(SettingsModel):
    table: Table
    confidence: Real = Field(default=1, ge=0, le=1)
    provenance: Text | None = None

    @property
    def table_parts(self) -> tuple[str, ...]:
        """The table's name as identifiers: `schema.table`, or `table` found in the schema `public`."""
        return tuple(self.table.split(".")) if "." in self.table else ("public", self.table)


class _ValueWatch(_Watch):
    shape: Literal["latest", "history"] = "latest"
    compare_with: Literal["last_event", "previous_row"] = "last_event"
    min_change: Magnitude = Decimal(0)
    heartbeat: Duration | None = None
    cooldown: Duration | None = None
    emit_first: bool = False
    severity: SeverityTiers = SeverityTiers()
    glitch_guard: GlitchGuard | None = None


def _history_has_time(watch: ValueWatch) -> None:
    if watch.shape == "history" and watch.columns.changed_at is None:
        raise ValueError("shape history needs columns.changed_at: the samples' own time")


class TvlWatch(_ValueWatch):
    """A table of TVL per protocol and chain."""

    kind: Literal["tvl"]
    columns: TvlColumns
    percent: Percent = Decimal(1)
    overrides: Annotated[tuple[TvlOverride, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _history_has_time(self) -> Self:
        _history_has_time(self)
        return self


class PriceWatch(_ValueWatch):
    """A table of prices per token and chain."""

    kind: Literal["price"]
    columns: PriceColumns
    percent: Percent = Decimal("0.1")
    peg: Peg | None = None
    overrides: Annotated[tuple[PriceOverride, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _history_has_time(self) -> Self:
        _history_has_time(self)
        return self


class ProtocolWatch(_Watch):
    """A table of protocol metadata; any change of a watched column is significant."""

    kind: Literal["protocol"]
    columns: ProtocolColumns
    watched: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=1600)]


ValueWatch = TvlWatch | PriceWatch
Watch = ValueWatch | ProtocolWatch
