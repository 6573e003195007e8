"""The answers as types: what is encoded, and what the OpenAPI document is made from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from core.inspection.conclusion import Outcome
from core.inspection.explanation import Shape, Source
from rtp_client.event import Amount, Event, EventData, KindName, Reason, Sequence, Time
from rtp_client.stream.gap import GapReason

Note = Annotated[str | None, Meta(description="What is missing here, and why; null where nothing is.")]
Judge = Literal["trigger", "rtp run", "stream reader"]
Moment = Annotated[int, Meta(description="Milliseconds of Unix time.")]


class EntryDocument(Struct, frozen=True, kw_only=True):
    """The newest value of an entity, from the cache, else from its table."""

    kind: KindName
    chain: str
    entity: str
    value: Annotated[Amount | None, Meta(description="Null for null, a deleted row, and metadata.")]
    fields: Annotated[dict[str, Any] | None, Meta(description="Of metadata: the watched columns, by name.")]
    sequence: Annotated[int, Meta(ge=0, description="Every event of the entity up to this one is in the value.")]
    log: Annotated[str, Meta(description="The log that the sequence is of; empty where no event was cached.")]
    as_of: Annotated[Time, Meta(description="The value was the table's at this time of the database's clock.")]
    source: Literal["cache", "local", "database"]
    is_stale: bool
    is_deleted: bool
    event: Annotated[Event | None, Meta(description="The newest event.")]


class EntityList(Struct, frozen=True, kw_only=True):
    """A page of entities, in the order of kind, chain and name."""

    entities: list[EntryDocument]
    next: Annotated[str | None, Meta(description="`after` of the next page; null where this is the last one.")]


class PastEventDocument(Struct, frozen=True, kw_only=True):
    """One of an entity's events: its data as it was delivered, and its place in the log."""

    sequence: Sequence
    data: EventData


class BaselineDocument(Struct, frozen=True, kw_only=True):
    """What rtp remembers of an entity. Values between `lower` and `upper` are no event."""

    value: Amount | None
    reported_at: Time
    lower: Amount | None
    upper: Amount | None
    last_value: Annotated[Amount | None, Meta(description="The newest sample that was judged.")]
    sampled_at: Time | None
    is_held: Annotated[bool, Meta(description="Whether a change waits for the cooldown to end.")]
    suspect_value: Annotated[Amount | None, Meta(description="What the glitch guard holds back, and since when.")]
    suspect_since: Time | None
    off_peg_since: Time | None
    due_at: Annotated[Time | None, Meta(description="When rtp looks at the entity again, without a write.")]


class LevelsDocument(Struct, frozen=True, kw_only=True):
    """The values at which the entity fires. Null: there is no such level."""

    fires_below: Amount | None
    fires_above: Amount | None
    depegs_below: Amount | None
    depegs_above: Amount | None
    jumps_beyond: Annotated[Amount | None, Meta(description="Values beyond this, up or down, are held back.")]
    cooled_until: Time | None
    heartbeat_at: Time | None


class RuleKeyDocument(Struct, frozen=True, kw_only=True):
    """One key of the rule in force, spelled as in the settings."""

    key: str
    value: Any
    origin: Annotated[str, Meta(description="Where it stands: `percent`, or `overrides[1].percent`.")]


class RuleDocument(Struct, frozen=True, kw_only=True):
    """The rule that applies to the entity, in sentences and key by key."""

    words: list[str]
    keys: list[RuleKeyDocument]


class ConclusionDocument(Struct, frozen=True, kw_only=True):
    """What became of the newest value, as `rtp explain` says it."""

    outcome: Outcome
    words: str
    reason: Reason | None
    at: Time | None


class WatchDocument(Struct, frozen=True, kw_only=True):
    """What one watch knows of the entity, and how it judges it."""

    name: str
    table: str
    source: Source
    shape: Shape | None
    watched: Annotated[list[str], Meta(description="Of metadata: the columns of which a change is an event.")]
    judged_by: Judge
    baseline: BaselineDocument | None
    levels: LevelsDocument | None
    rule: RuleDocument | None
    conclusion: ConclusionDocument | None
    waiting: Annotated[int, Meta(ge=0, description="How many samples of it wait to be judged.")]


class EntityDocument(Struct, frozen=True, kw_only=True):
    """All that is known of one entity."""

    kind: KindName
    chain: str
    entity: str
    entry: EntryDocument | None
    watch: Annotated[WatchDocument | None, Meta(description="Null where no watch of the settings can know it.")]
    other_watches: Annotated[list[str], Meta(description="Those that know it, too: `?watch=NAME` asks for one.")]
    confidence: Annotated[float | None, Meta(description="The newest event's.")]
    provenance: Annotated[str | None, Meta(description="The newest event's.")]
    events: Annotated[list[PastEventDocument], Meta(description="The last ones, the newest first.")]
    series: Annotated[
        list[tuple[Moment, Amount | None]], Meta(description="The last values, each with its time, the oldest first.")
    ]
    series_from: Annotated[Literal["table", "events"], Meta(description="Samples of a history, or events.")]
    note: Note


class PegDocument(Struct, frozen=True, kw_only=True):
    """An entity that should stay at its peg."""

    kind: KindName
    chain: str
    entity: str
    target: Amount
    deviation_bps: Annotated[Amount, Meta(description="So far from the target, or further, it is off its peg.")]
    value: Amount | None
    distance_bps: Annotated[Amount | None, Meta(description="From the target to the value, with its sign.")]
    off_since: Annotated[Time | None, Meta(description="Null where it is not reported as off its peg.")]
    as_of: Time


class PegList(Struct, frozen=True, kw_only=True):
    """All pegged entities, the one furthest off first."""

    pegs: list[PegDocument]
    note: Note


class EventAtPosition(Struct, frozen=True, kw_only=True):
    """An event and its position: what comes after it is asked for by `since`."""

    position: str
    event: Event


class EventsReset(Struct, frozen=True, kw_only=True):
    """Why what lies between the position asked for and the first event is not known."""

    reason: GapReason
    message: str


class EventPage(Struct, frozen=True, kw_only=True):
    """Events in the order of delivery."""

    events: list[EventAtPosition]
    position: Annotated[str, Meta(description="`since` of the next page, also where no event is in this one.")]
    has_more: Annotated[bool, Meta(description="Whether the next page may have events by now.")]
    reset: Annotated[EventsReset | None, Meta(description="Null where nothing lies between.")]


class StreamFigures(Struct, frozen=True, kw_only=True):
    """The stream in Redis: how many events it holds, and when the first and the last of them were delivered."""

    events: Annotated[int, Meta(ge=0)]
    oldest_at: Time | None
    newest_at: Time | None


class StatusDocument(Struct, frozen=True, kw_only=True):
    """The state of rtp: what `rtp status --json` tells, or, without the source's database, what Redis tells."""

    source: Literal["postgres", "dynamodb", "redis"]
    at: Time
    stream: Annotated[StreamFigures | None, Meta(description="Null where Redis does not answer.")]
    status: Annotated[
        dict[str, Any] | None, Meta(description="The document of `rtp status --json`; null where only Redis was asked.")
    ]
    note: Note


class ErrorBody(Struct, frozen=True, kw_only=True):
    """What went wrong: a word for programs, and a line for people that says what to do."""

    code: str
    message: str


class ErrorDocument(Struct, frozen=True, kw_only=True):
    """The answer to what cannot be answered."""

    error: ErrorBody
