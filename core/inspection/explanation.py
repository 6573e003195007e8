"""Why an entity was reported or not, for `rtp explain`: its rule, its baseline, and its distance from an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.detection.agreement import fresh
from core.detection.memory import memory_of
from core.detection.report import Report
from core.detection.state import EntityState
from core.settings.rules import RULE_KEYS, explain_rule, override_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from decimal import Decimal

    from core.detection.distance import Distance
    from core.detection.market import MarketMemory
    from core.detection.state import CompareWith
    from core.inspection.conclusion import Conclusion
    from core.settings.market import MarketWide
    from core.settings.rules import Rule
    from core.settings.watches import ValueWatch
    from rtp_client.event import Reason, Severity

Whence = Literal["table", "newest sample", "baseline"]
Shape = Literal["latest", "history"]
Source = Literal["postgres", "dynamodb"]


@dataclass(frozen=True)
class RuleKey:
    """One key of the rule in force, spelled as in the settings, with its origin, e.g. `overrides[1].percent`.

    `in_settings` is the settings file's value; where it differs, it is not installed yet.
    """

    key: str
    value: Any
    origin: str
    is_in_settings: bool
    in_settings: Any


@dataclass(frozen=True)
class BaselineRow:
    """The entity's row of rtp.baseline. Values between `lower` and `upper` are no event; null: each value is judged.

    Of a watch that is sampled, the two are not written down; rtp run has them in memory, and they are made anew here.
    """

    value: Decimal | None
    reported_at: datetime
    rules: int
    lower: Decimal | None
    upper: Decimal | None
    last_value: Decimal | None
    sampled_at: datetime | None
    is_held: bool
    suspect_value: Decimal | None
    suspect_since: datetime | None
    suspect_count: int
    off_peg_since: datetime | None
    due_at: datetime | None
    lag: timedelta
    gone_at: datetime | None
    memory: str | None = None

    def entity(self, *, is_sampled: bool) -> EntityState:
        """The same as the rule book has it. A trigger that judges by itself remembers only what it has reported."""
        if not is_sampled:
            return EntityState(self.value, self.reported_at, self.reported_at, self.value)
        return EntityState(
            value=self.value,
            reported_at=self.reported_at,
            sample_at=self.sampled_at or self.reported_at,
            last_value=self.last_value,
            suspect_value=self.suspect_value,
            suspect_since=self.suspect_since,
            suspect_count=self.suspect_count,
            off_peg_since=self.off_peg_since,
            held=self.is_held,
            lag=self.lag,
            gone_at=self.gone_at,
            memory=memory_of(self.memory),
        )


@dataclass(frozen=True)
class SourceWord:
    """What a source of an entity has said last; `is_fresh`: it counted when the entity's newest sample came."""

    source: str
    value: Decimal | None
    at: datetime
    is_fresh: bool


def source_words(state: EntityState | None, rule: Rule) -> Sequence[SourceWord]:
    """Who said what, and when; the newest word first. Empty where sources need not agree."""
    known = None if state is None else state.memory.agreement
    if state is None or known is None or rule.agree is None:
        return ()
    counted = fresh(known, state.sample_at, rule.agree)
    said = sorted(known.said.items(), key=lambda one: one[1].at, reverse=True)
    return [SourceWord(name, word.value, word.at, name in counted) for name, word in said]


@dataclass(frozen=True)
class PastEvent:
    """One of the entity's events."""

    id: int
    previous: Decimal | None
    current: Decimal | None
    fields: dict[str, Any] | None
    reason: Reason
    severity: Severity
    duration: timedelta | None
    confidence: float
    provenance: str | None
    changed_at: datetime
    detected_at: datetime

    @property
    def change(self) -> str | None:
        """The change, as the event has it."""
        return Report(self.previous, self.current, self.reason, self.severity).change

    @property
    def change_pct(self) -> str | None:
        """The change in percent, as the event has it."""
        return Report(self.previous, self.current, self.reason, self.severity).change_pct


@dataclass(frozen=True)
class SetAsideRow:
    """One of the rows that moved nothing, and why: too far ahead (`future`), `late`, or refused (`rejected`)."""

    why: str
    value: Decimal | None
    at: datetime | None
    noted_at: datetime


@dataclass(frozen=True)
class JudgedValue:
    """An entity's value: the rule that judges it, the value now, and how far that is from an event.

    `is_sampled`: by rtp run, from the log of samples, not by the trigger. `rule_words` is the rule in sentences.
    `current_from` is the value's source; `current_note` says why the source is not the table, `is_row_gone` that the
    table can be read and has no such row. `sources` are who says so, where several must agree.
    """

    shape: Shape
    is_sampled: bool
    compare_with: CompareWith
    rule: Sequence[RuleKey]
    rule_words: Sequence[str]
    current: Decimal | None
    current_from: Whence
    current_note: str
    is_row_gone: bool
    distance: Distance | None
    sources: Sequence[SourceWord] = ()


@dataclass(frozen=True)
class MarketMove:
    """A market-wide move of the entity's watch that goes on: since when, and the id of its event."""

    since: datetime
    event_id: str


def market_move(memory: MarketMemory, market: MarketWide | None, now: datetime) -> MarketMove | None:
    """The move that goes on now, by what is remembered of a watch; None where all is calm."""
    if market is None or memory.since is None or memory.event_id is None:
        return None
    last_at = max(member.at for member in memory.members.values())
    return MarketMove(memory.since, memory.event_id) if now - last_at <= market.within else None


@dataclass(frozen=True)
class Explanation:
    """All that rtp knows about one entity in one watch, as of one moment (`at`, by the database's clock).

    `judged` and `conclusion` are of a value, `watched` is of metadata. `state` is None where the entity is gone, or
    waits to be seen for the first time; `rules` is the revision in force, 0 of a stream source, which has none.
    `market` is there as long as the market moves.
    """

    at: datetime
    watch: str
    kind: str
    table: str
    chain: str
    entity: str
    rules: int
    state: BaselineRow | None
    judged: JudgedValue | None
    watched: Sequence[str]
    waiting: int
    conclusion: Conclusion | None
    set_aside: Sequence[SetAsideRow]
    events: Sequence[PastEvent]
    source: Source = "postgres"
    market: MarketMove | None = None


def rule_keys(installed: ValueWatch, wanted: ValueWatch | None, chain: str, entity: str) -> list[RuleKey]:
    """The rule in force, key by key, beside the settings file's. `wanted` is None where the file has no such watch."""
    values, origins = _spelled_rule(installed, chain, entity)
    others = _spelled_rule(wanted, chain, entity)[0] if wanted is not None else values
    return [
        RuleKey(key, value, str(origin), value == other, other)
        for key, value, origin, other in zip(RULE_KEYS, values, origins, others, strict=True)
        if hasattr(installed, key)  # TVL has no peg
    ]


def _spelled_rule(watch: ValueWatch, chain: str, entity: str) -> tuple[list[Any], Sequence[Any]]:
    _, origins = explain_rule(watch, chain, entity)
    sources = [watch if origin.override is None else watch.overrides[origin.override] for origin in origins]
    return [_spelled(source, key) for source, key in zip(sources, RULE_KEYS, strict=True)], origins


def _spelled(source: Any, key: str) -> Any:
    if override_value(source, key) is None:
        return None
    return source.model_dump(mode="json", include={key}, exclude_none=True)[key]
