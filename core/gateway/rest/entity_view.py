"""All that is known of one entity, put together from the cache, the source's database and the last events. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.detection.distance import distance
from core.detection.report import amount_text
from core.detection.rule_in_words import rule_in_words
from core.gateway.rest.documents import (
    BaselineDocument,
    ConclusionDocument,
    EntityDocument,
    EntryDocument,
    LevelsDocument,
    PastEventDocument,
    RuleDocument,
    RuleKeyDocument,
    WatchDocument,
)
from core.inspection.document import as_document
from core.inspection.explanation import rule_keys
from core.inspection.in_words import conclusion_in_words
from core.settings.rules import rule_for
from rtp_client.event import EventData, FieldChange, format_sequence, format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.gateway.rest.documents import Judge
    from core.inspection.explanation import Explanation, JudgedValue, PastEvent, RuleKey, Source
    from core.inspection.samples import Samples
    from core.settings.watches import Watch
    from rtp_client.cache.entry import Entry
    from rtp_client.event import Event

MOST_EVENTS = 50


@dataclass(frozen=True)
class KnownOf:
    """What was found out about an entity. `recent` are its events in memory, in the order of delivery."""

    kind: str
    chain: str
    entity: str
    entry: Entry | None
    explained: Sequence[Explanation] = ()
    recent: Sequence[Event] = ()
    samples: Samples = field(default_factory=list)
    note: str | None = None


def entity_document(known: KnownOf, watch: WatchDocument | None, other_watches: Sequence[str]) -> EntityDocument:
    """The answer; the watch is the one that is shown of those that know the entity."""
    events = last_events(known)
    newest = events[0].data if events else None
    return EntityDocument(
        kind=known.kind,
        chain=known.chain,
        entity=known.entity,
        entry=None if known.entry is None else EntryDocument(**known.entry.as_json()),
        watch=watch,
        other_watches=list(other_watches),
        confidence=None if newest is None else newest.confidence,
        provenance=None if newest is None else newest.provenance,
        events=events,
        series=known.samples or [(_unix_ms(one.data.changed_at), one.data.current) for one in reversed(events)],
        series_from="table" if known.samples else "events",
        note=known.note,
    )


def last_events(known: KnownOf) -> list[PastEventDocument]:
    """Those of the log and those in memory, each once, the newest first."""
    of_the_log = [_past(found, event) for found in known.explained for event in found.events]
    in_memory = [PastEventDocument(sequence=event.sequence, data=event.data) for event in known.recent]
    by_sequence = {event.sequence: event for event in (*of_the_log, *in_memory)}
    newest_first = sorted(by_sequence.values(), key=lambda one: (one.data.detected_at, one.sequence), reverse=True)
    return newest_first[:MOST_EVENTS]


def _past(found: Explanation, event: PastEvent) -> PastEventDocument:
    fields = event.fields
    data = EventData(
        kind=found.kind,
        chain=found.chain,
        entity=found.entity,
        previous=amount_text(event.previous),
        current=amount_text(event.current),
        change=event.change,
        change_pct=event.change_pct,
        fields=None if fields is None else {name: FieldChange(**sides) for name, sides in fields.items()},
        reason=event.reason,
        severity=event.severity,
        duration_seconds=None if event.duration is None else event.duration.total_seconds(),
        confidence=event.confidence,
        provenance=event.provenance,
        changed_at=format_time(event.changed_at),
        detected_at=format_time(event.detected_at),
    )
    return PastEventDocument(sequence=format_sequence(event.id), data=data)


def watch_as_explained(found: Explanation) -> WatchDocument:
    """What `rtp explain` tells of the entity in one watch."""
    judged, conclusion = found.judged, found.conclusion
    return WatchDocument(
        name=found.watch,
        table=found.table,
        source=found.source,
        shape=None if judged is None else judged.shape,
        watched=list(found.watched),
        judged_by=_judge(found.source, is_sampled=judged is not None and judged.is_sampled),
        baseline=None if found.state is None or judged is None else _document(found.state, BaselineDocument),
        levels=None if judged is None else _levels(judged),
        rule=None if judged is None else _rule(judged.rule_words, judged.rule),
        conclusion=None
        if conclusion is None
        else ConclusionDocument(
            outcome=conclusion.outcome,
            words=conclusion_in_words(conclusion, found.source),
            reason=conclusion.reason,
            at=None if conclusion.at is None else format_time(conclusion.at),
        ),
        waiting=found.waiting,
    )


def watch_as_set(name: str, watch: Watch, table: str, source: Source, entry: Entry) -> WatchDocument:
    """What the settings and the newest event tell, where the source's database does not: no memory, no conclusion."""
    keys, levels = None, None
    if watch.has_value:
        rule = rule_for(watch, entry.chain, entry.entity)
        keys = _rule(
            rule_in_words(rule, watch.compare_with, watch.market), rule_keys(watch, None, entry.chain, entry.entity)
        )
        if entry.event is not None:
            told = _amount(entry.event.data.current)
            reported_at = datetime.fromisoformat(entry.event.data.detected_at)
            levels = _document(distance(told, reported_at, _amount(entry.value), rule), LevelsDocument)
    return WatchDocument(
        name=name,
        table=table,
        source=source,
        shape=watch.shape if watch.has_value else None,
        watched=list(watch.watched),
        judged_by=_judge(source, is_sampled=watch.is_sampled),
        baseline=None,
        levels=levels,
        rule=keys,
        conclusion=None,
        waiting=0,
    )


def _levels(judged: JudgedValue) -> LevelsDocument | None:
    return None if judged.distance is None else _document(judged.distance, LevelsDocument)


def _rule(words: Sequence[str], keys: Sequence[RuleKey]) -> RuleDocument:
    return RuleDocument(
        words=list(words),
        keys=[RuleKeyDocument(key=key.key, value=key.value, origin=key.origin) for key in keys],
    )


def _judge(source: Source, *, is_sampled: bool) -> Judge:
    if source == "dynamodb":
        return "stream reader"
    return "rtp run" if is_sampled else "trigger"


def _document(found: Any, model: Any) -> Any:
    """The parts of a dataclass that the answer shows, in the spelling of documents."""
    document = as_document(found)
    return model(**{name: document[name] for name in model.__struct_fields__})


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _unix_ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
