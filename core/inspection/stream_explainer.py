"""Finding out about one entity of a stream source: its memory in Redis, its item in the table, its newest events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.detection.band import band
from core.detection.distance import distance
from core.detection.due import due_at
from core.detection.market import CALM
from core.detection.memory import memory_text
from core.detection.rule_in_words import rule_in_words
from core.errors import EventRejected, RtpError, UnknownEntity
from core.handler.current import newest_value
from core.handler.images import watched_tables
from core.handler.items import dynamodb_of
from core.handler.known import known_owners
from core.handler.memory import Memory
from core.inspection.conclusion import Unjudged, conclude
from core.inspection.explanation import (
    BaselineRow,
    Explanation,
    JudgedValue,
    PastEvent,
    market_move,
    rule_keys,
    source_words,
)
from core.problem import counted
from core.redis_names import baseline_key, baseline_owner
from core.settings.aliases import written_out
from core.settings.rules import rule_for
from core.settings.watches import Constant
from rtp_client.aliases import called_now
from rtp_client.cache.item_source import ItemSource
from rtp_client.cache.loading import Owner
from rtp_client.errors import one_line
from rtp_client.event import decode_event
from rtp_client.keys import STREAM
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.handler.images import Image, WatchedTable
    from core.handler.services import StreamServices
    from core.inspection.explanation import Whence
    from core.settings.rules import Rule
    from core.settings.watches import ValueWatch
    from rtp_client.event import Event

_MOST_EVENTS = 10
_PAGE, _MOST_PAGES = 1000, 10
"""Of the stream in Redis, the newest 10,000 events are looked at."""


def explain_streams(services: StreamServices, kind: str, entity: str, chain: str | None) -> list[Explanation]:
    """What is known of an entity, for each watch that a table feeds, and each chain.

    Raises UnknownEntity where neither memory nor table has it, and ServiceUnavailable without Redis.
    """
    tables = [one for some in watched_tables(services.settings).values() for one in some if one.watch.kind == kind]
    with redis_errors(services.address):
        asked = [(watched, *watched.watch.key_of(chain or "", entity)) for watched in tables]
        places = [
            (watched, on, called)
            for watched, of, called in asked
            for on in _chains(services, watched, called, of or None)
        ]
        found = [one for watched, on, called in places if (one := _explain(services, watched, on, called)) is not None]
        if not found:
            raise _unknown(services, tables, kind, entity, chain)
    return found


def _chains(services: StreamServices, watched: WatchedTable, entity: str, chain: str | None) -> list[str]:
    """The chains to look at: the one that is asked for, else those that are remembered, or the only one that can be."""
    if isinstance(watched.chain, Constant):
        fixed = called_now(watched.chain.const, written_out(watched.watch.chain_aliases))
        return [fixed] if chain in (None, fixed) else []
    if chain is not None:
        return [chain]
    return [baseline_owner(key)[1] for key in services.baselines.keys_of(watched.name, entity)]


def _explain(services: StreamServices, watched: WatchedTable, chain: str, entity: str) -> Explanation | None:
    """Everything; None where there is neither memory nor item."""
    watch, now = watched.watch, datetime.now(UTC)
    (memory,) = services.baselines.load([baseline_key(watched.name, chain, entity)])
    item, note = _item(services, watched, chain, entity)
    events = list(islice(_events(services, watch.kind, chain, entity), _MOST_EVENTS))
    if memory == Memory() and item is None and not events:
        return None
    state = judged = conclusion = market = None
    if watch.has_value:
        remembered = services.baselines.load_market(watched.name).market or CALM
        market = market_move(remembered, watch.market, now)
        rule = rule_for(watch, chain, entity)
        state = _row(memory, rule, watch)
        judged = _judged(watched, watch, rule, chain, entity, memory, item, note)
        waiting = Unjudged(len(memory.waiting), is_look=False, now=now)
        conclusion = conclude(memory.state, judged, rule, waiting, events)
    return Explanation(
        at=now,
        watch=watched.name,
        kind=watch.kind,
        table=services.settings.dynamodb.tables[watched.name].table,
        chain=chain,
        entity=entity,
        rules=0,
        state=state,
        judged=judged,
        watched=watch.watched,
        waiting=len(memory.waiting),
        conclusion=conclusion,
        set_aside=(),
        events=events,
        source="dynamodb",
        market=market,
    )


def _row(memory: Memory, rule: Rule, watch: ValueWatch) -> BaselineRow | None:
    state = memory.state
    if state is None:
        return None
    quiet = band(state, rule, watch.compare_with)
    return BaselineRow(
        value=state.value,
        reported_at=state.reported_at,
        rules=0,
        lower=quiet.lower if quiet else None,
        upper=quiet.upper if quiet else None,
        last_value=state.last_value,
        sampled_at=state.sample_at,
        is_held=state.held,
        suspect_value=state.suspect_value,
        suspect_since=state.suspect_since,
        suspect_count=state.suspect_count,
        off_peg_since=state.off_peg_since,
        memory=memory_text(state.memory),
        due_at=due_at(state, rule),
        lag=state.lag,
        gone_at=state.gone_at,
    )


def _judged(
    watched: WatchedTable,
    watch: ValueWatch,
    rule: Rule,
    chain: str,
    entity: str,
    memory: Memory,
    item: Image | None,
    note: str,
) -> JudgedValue:
    state = memory.state
    current, whence = newest_value(state) if state else None, _whence(watched, item)
    if whence == "table" and item is not None:
        current = item.sample.value
    return JudgedValue(
        shape=watch.shape,
        is_sampled=True,
        compare_with=watch.compare_with,
        rule=rule_keys(watch, None, chain, entity),
        rule_words=rule_in_words(rule, watch.compare_with, watch.market),
        current=current,
        current_from=whence,
        current_note=note or ("the table has no such item" if whence == "baseline" else ""),
        is_row_gone=whence == "baseline" and not note,
        distance=distance(state.value, state.reported_at, current, rule, state.lag) if state else None,
        sources=source_words(state, rule),
    )


def _whence(watched: WatchedTable, item: Image | None) -> Whence:
    if watched.is_history:
        return "newest sample"
    return "baseline" if item is None else "table"


def _item(services: StreamServices, watched: WatchedTable, chain: str, entity: str) -> tuple[Image | None, str]:
    """What the watch makes of the entity's item, of a history the newest; and why that is not known."""
    kind, name = watched.watch.kind, services.settings.dynamodb.tables[watched.name].table
    where = dynamodb_of(services.settings)
    only = [table for table in where.tables if (table.name, table.kind) == (name, kind)]
    owner = Owner(kind, chain, entity)
    try:
        source = ItemSource(replace(where, tables=only), client=services.dynamodb)
        item = source.items([owner]).get(owner)
        image = None if item is None else watched.read(item, datetime.now(UTC))
    except EventRejected as error:
        return None, f"its item cannot be read: {error.message}"
    except RtpError as error:
        return None, one_line(error)
    return (image if image and image.key == (chain, entity) else None), ""


def _events(services: StreamServices, kind: str, chain: str, entity: str) -> Iterator[PastEvent]:
    """The entity's events among the newest of the stream, the newest first."""
    last = "+"
    for _ in range(_MOST_PAGES):
        page: Any = services.store.xrevrange(STREAM, max=last, count=_PAGE)
        for _, fields in page:
            event = _event(fields.get(b"event", b""))
            if event is not None and (event.data.kind, event.data.chain, event.data.entity) == (kind, chain, entity):
                yield _past(event)
        if len(page) < _PAGE:
            return
        last = f"({page[-1][0].decode()}"


def _event(document: bytes) -> Event | None:
    try:
        return decode_event(document.decode())
    except ValueError:
        return None


def _past(event: Event) -> PastEvent:
    data = event.data
    seconds = data.duration_seconds
    fields = data.fields
    return PastEvent(
        id=int(event.sequence),
        previous=None if data.previous is None else Decimal(data.previous),
        current=None if data.current is None else Decimal(data.current),
        fields={name: {"previous": one.previous, "current": one.current} for name, one in fields.items()}
        if fields
        else None,
        reason=data.reason,
        severity=data.severity,
        duration=None if seconds is None else timedelta(seconds=seconds),
        confidence=data.confidence,
        provenance=data.provenance,
        changed_at=datetime.fromisoformat(data.changed_at),
        detected_at=datetime.fromisoformat(data.detected_at),
    )


def _unknown(
    services: StreamServices, tables: list[WatchedTable], kind: str, entity: str, chain: str | None
) -> UnknownEntity:
    if not tables:
        return UnknownEntity(f"no DynamoDB table feeds a watch of kind {kind}", "Name one under dynamodb.tables")
    known = {owner[1:] for watched in tables for owner in known_owners(services.store, watched.name)}
    on = sorted(where for where, name in known if name == entity)
    if on and chain is not None:
        return UnknownEntity(f"{kind} {entity} is not known on {chain}", f"It is on: {', '.join(on)}")
    near = get_close_matches(entity, sorted({name for _, name in known}), n=5)
    hint = f"Did you mean: {', '.join(near)}" if near else "With --chain, its table is looked into, too"
    return UnknownEntity(
        f"nothing is remembered of {kind} {entity}, of {counted(len(known), 'entity', 'entities')}", hint
    )
