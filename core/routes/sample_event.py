"""A sample event to try the routes with: what a watch would say of such a change."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from core.settings.rules import rule_for
from core.settings.watches import Constant
from core.severity import EXACT
from core.severity import severity as severity_of
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from core.settings.models import Settings
    from core.settings.watches import Watch

DEFAULT_CHAIN = "ethereum"
_HUNDRED = Decimal(100)


@dataclass(frozen=True)
class SampleEvent:
    """What the routes look at; `current` matters only where it is infinite."""

    kind: str
    chain: str
    entity: str
    change_pct: str | None
    reason: str
    severity: str
    current: str | None = None
    market: str | None = None


def sample_event(
    settings: Settings,
    kind: str,
    *,
    entity: str,
    chain: str | None = None,
    percent: Decimal | None = None,
    reason: Reason | None = None,
    severity: Severity | None = None,
) -> SampleEvent:
    """An event with what is not given filled in as the first watch of its kind would."""
    watch = next((one for one in settings.watches.values() if one.kind == kind), None)
    chain = chain or _constant_chain(watch) or DEFAULT_CHAIN
    reason = reason or (Reason.DEVIATION if settings.all_kinds[kind].has_value else Reason.CHANGED)
    severity = severity or _severity(watch, chain, entity, reason, percent)
    return SampleEvent(kind, chain, entity, None if percent is None else f"{percent:f}", reason, severity)


def samples_of(settings: Settings, name: str) -> list[SampleEvent]:
    """Events of one watch, one for each severity that a deviation of it can have."""
    watch = settings.watches[name]
    entity = watch.columns.entity.const if isinstance(watch.columns.entity, Constant) else "example"
    if not watch.has_value:
        return [sample_event(settings, watch.kind, entity=entity)]
    chain = _constant_chain(watch) or DEFAULT_CHAIN
    rule = rule_for(watch, chain, entity)
    tiers = (rule.severity.info, rule.severity.warning, rule.severity.critical)
    reason, percents = Reason.DEVIATION, dict.fromkeys(max(rule.percent, tier) for tier in tiers)
    return [
        SampleEvent(watch.kind, chain, entity, f"{by:f}", reason, _severity(watch, chain, entity, reason, by))
        for by in percents
    ]


def _constant_chain(watch: Watch | None) -> str | None:
    return watch.columns.chain.const if watch is not None and isinstance(watch.columns.chain, Constant) else None


def _severity(watch: Watch | None, chain: str, entity: str, reason: Reason, percent: Decimal | None) -> Severity:
    if watch is None or not watch.has_value:
        return Severity.INFO
    previous, current = (None, None) if percent is None else (_HUNDRED, EXACT.add(_HUNDRED, percent))
    return severity_of(reason, previous, current, rule_for(watch, chain, entity).severity)
