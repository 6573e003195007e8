"""The watches: which table holds what, and from when on a change of it is significant.

`docs/reference/detection.md` says what each rule means.
"""

from __future__ import annotations

from datetime import timedelta, tzinfo
from decimal import Decimal
from functools import cache, reduce
from operator import or_
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, WrapValidator, model_validator

from core.kinds import Kind, Kinds
from core.settings.agree import Agree
from core.settings.aliases import Aliases, AliasTable, written_out
from core.settings.fields import (
    Duration,
    DurationOrOff,
    Glob,
    Identifier,
    Magnitude,
    Percent,
    Real,
    SettingsModel,
    Table,
    Text,
    TimeZone,
    derived,
    one_column_complaint,
)
from core.settings.guard import GlitchGuard
from core.settings.market import MarketWide
from core.settings.moves import MOST_MOVES, MoveRule
from core.settings.peg import Peg
from core.zones import zone_called
from rtp_client.aliases import called_now


class Constant(SettingsModel):
    """Stands where a column name could: the same value for every row."""

    const: Text


Column = Annotated[Identifier | Constant, WrapValidator(one_column_complaint)]
EVERYWHERE = Constant(const="all")


class Columns(SettingsModel):
    """Which column of the user's table holds what; the kind has a word of its own for the entity's key."""

    entity: Column
    chain: Column = EVERYWHERE
    changed_at: Identifier | None = None
    confidence: Identifier | None = None
    provenance: Identifier | None = None


class ValueColumns(Columns):
    """The same, of a kind with a value."""

    value: Identifier
    source: Identifier | None = None


def _differ(moves: tuple[MoveRule, ...]) -> tuple[MoveRule, ...]:
    if len({move.name for move in moves}) < len(moves):
        raise ValueError("two moves are the same. Keep one of them")
    return moves


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


Reject = Annotated[tuple[Literal["zero", "negative"], ...], Field(max_length=2)]
Moves = Annotated[tuple[MoveRule, ...], Field(max_length=MOST_MOVES), AfterValidator(_differ)]


class Override(SettingsModel):
    """Other rules for some entities or chains; names may be globs (`*`, `?`). None leaves it to the watch."""

    percent: Percent | None = None
    min_change: Magnitude | None = None
    heartbeat: Duration | None = None
    cooldown: Duration | None = None
    emit_first: StrictBool | None = None
    severity: SeverityTiers | None = None
    glitch_guard: GlitchGuard | None = None
    delete_grace: Duration | None = None
    moves: Moves | None = None
    reject: Reject | None = None
    agree: Agree | None = None
    chain: Glob | None = None
    entity: Glob | None = None


class _Watch(SettingsModel):
    about: ClassVar[Kind]

    kind: str
    table: Table
    confidence: Real = Field(default=1.0, ge=0, le=1)
    provenance: Text | None = None
    timezone: TimeZone = "UTC"
    aliases: Aliases | None = None
    chain_aliases: Aliases | None = None

    @property
    def has_aliases(self) -> bool:
        """Whether an entity or a chain has a former name."""
        return bool(self.aliases or self.chain_aliases)

    @property
    def alias_tables(self) -> dict[str, AliasTable]:
        """The tables that hold aliases, by the key that names them."""
        found = {"aliases": self.aliases, "chain_aliases": self.chain_aliases}
        return {key: aliases for key, aliases in found.items() if isinstance(aliases, AliasTable)}

    def key_of(self, chain: str, entity: str) -> tuple[str, str]:
        """The chain and entity that a row of these names is about."""
        return called_now(chain, written_out(self.chain_aliases)), called_now(entity, written_out(self.aliases))

    @property
    def zone(self) -> tzinfo:
        """That of times without one."""
        return zone_called(self.timezone)

    @property
    def table_parts(self) -> tuple[str, ...]:
        """The table's name as identifiers: `schema.table`, or `table` found in the schema `public`."""
        return tuple(self.table.split(".")) if "." in self.table else ("public", self.table)


class ValueWatch(_Watch):
    """A table of values, of which a large enough change is significant."""

    has_value: ClassVar[Literal[True]] = True
    watched: ClassVar[tuple[str, ...]] = ()

    columns: ValueColumns
    shape: Literal["latest", "history"] = "latest"
    compare_with: Literal["last_event", "previous_row"] = "last_event"
    percent: Percent = Decimal(1)
    min_change: Magnitude = Decimal(0)
    heartbeat: Duration | None = None
    cooldown: Duration | None = None
    emit_first: StrictBool = False
    severity: SeverityTiers = SeverityTiers()
    glitch_guard: GlitchGuard | None = None
    max_future: DurationOrOff = timedelta(minutes=5)
    delete_grace: Duration | None = None
    moves: Moves | None = None
    reject: Reject | None = None
    market: MarketWide | None = None
    agree: Agree | None = None
    overrides: Annotated[tuple[Override, ...], Field(max_length=1000)] = ()

    @property
    def rule_sources(self) -> tuple[ValueWatch | Override, ...]:
        """Where keys of a rule can stand: in the watch itself, and in its overrides."""
        return (self, *self.overrides)

    @property
    def is_history(self) -> bool:
        """Whether each row is a sample, not an entity."""
        return self.shape == "history"

    @property
    def is_sampled(self) -> bool:
        """Whether the rules need a memory beyond the baseline's value.

        Then the trigger only appends samples, and rtp run judges them.
        """
        keys = ("heartbeat", "cooldown", "glitch_guard", "peg", "delete_grace", "moves", "reject", "agree")
        has_memory = any(getattr(source, key, None) for source in self.rule_sources for key in keys)
        needs_judge = self.is_history or self.compare_with == "previous_row" or self.market is not None
        return needs_judge or has_memory

    @property
    def future_limit(self) -> timedelta | None:
        """How far ahead of its arrival a row's own time may be; None: as far as it likes."""
        return self.max_future or None

    @model_validator(mode="after")
    def _history_has_time(self) -> Self:
        if self.is_history and self.columns.changed_at is None:
            raise ValueError("shape history needs columns.changed_at: the samples' own time")
        if self.is_history and any(source.delete_grace for source in self.rule_sources):
            raise ValueError("shape history has no delete_grace: deleting history is no event")
        return self

    @property
    def alias_in_overrides(self) -> str | None:
        """What is wrong with an override that names an alias, and how to mend it; None where none does."""
        for place, override in enumerate(self.overrides):
            for name, aliases in ((override.entity, self.aliases), (override.chain, self.chain_aliases)):
                if name is not None and (now := called_now(name, written_out(aliases))) != name:
                    return f"overrides[{place}] names the alias {name}. Name {now}"
        return None

    @model_validator(mode="after")
    def _overrides_name_no_alias(self) -> Self:
        if problem := self.alias_in_overrides:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _sources_agree(self) -> Self:
        if self.agree is None and any(source.agree for source in self.overrides):
            raise ValueError("agree in an override needs one in the watch, for the other entities")
        if (self.agree is None) != (self.columns.source is None):
            missing = "columns.source: who says so" if self.agree else "agree: how many sources must say so"
            raise ValueError(f"{'agree' if self.agree else 'columns.source'} needs {missing}")
        if self.agree is not None and not self.is_history:
            raise ValueError("agree needs shape history: a table with several sources has several rows per entity")
        return self


class MetadataWatch(_Watch):
    """A table of metadata; any change of a watched column is significant."""

    has_value: ClassVar[Literal[False]] = False
    is_history: ClassVar[Literal[False]] = False
    is_sampled: ClassVar[Literal[False]] = False

    columns: Columns
    watched: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=1600)]


Watch = ValueWatch | MetadataWatch


@cache
def watch_model(kind: Kind) -> type[Watch]:
    """The model of a kind's watches: with its word for the entity, its percent, and a peg where it has one."""
    common = {"about": (ClassVar[Kind], kind), "kind": (Literal[kind.name], ...)}
    column = (Column, Field(alias=kind.entity))
    if not kind.has_value:
        return derived(MetadataWatch, **common, columns=(derived(Columns, entity=column), ...))
    peg: dict[str, Any] = {"peg": (Peg | None, None)} if kind.has_peg else {}
    override = derived(Override, entity=(Glob | None, Field(default=None, alias=kind.entity)), **peg)
    return derived(
        ValueWatch,
        **common,
        columns=(derived(ValueColumns, entity=column), ...),
        percent=(Percent, kind.percent),
        overrides=(GenericAlias(tuple, (override, ...)), Field(default=(), max_length=1000)),
        **peg,
    )


def watch_of(kinds: Kinds) -> Any:
    """The type of a watch of any of these kinds, as pydantic takes it."""
    models: Any = reduce(or_, map(watch_model, kinds.values()))
    return Annotated[models, Field(discriminator="kind")]
