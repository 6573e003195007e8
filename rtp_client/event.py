"""The event: one significant change, as a CloudEvents 1.0 JSON document.

`Event` is the single source of truth: what rtp publishes is this class as JSON, `rtp schema` prints its JSON
Schema, and the schema ships with the package. Attribute names follow CloudEvents 1.0 and its documented
`partitioning` (`partitionkey`), `sequence` and distributed tracing (`traceparent`) extensions.

`decode_event` checks every constraint of a document; making an `Event` checks none. Who makes one from what others
wrote sends it through its JSON and back, as `core/log/rows.py` does.

Amounts are decimal strings, digit for digit what PostgreSQL holds: a JSON number would be rounded to a double by
most readers, and could not carry NaN or Infinity at all.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote

from msgspec import Meta, Struct, ValidationError, field, to_builtins
from msgspec.json import Decoder, Encoder, schema_components

from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(StrEnum):
    """How much a change matters; routes can use it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Reason(StrEnum):
    """Why a change was found significant; `docs/reference/detection.md` has the rules."""

    DEVIATION = "deviation"
    FROM_ZERO = "from_zero"
    TO_ZERO = "to_zero"
    FROM_NULL = "from_null"
    TO_NULL = "to_null"
    NOT_FINITE = "not_finite"
    FINITE_AGAIN = "finite_again"
    DEPEG = "depeg"
    ESCALATED = "escalated"
    REPEG = "repeg"
    MOVED = "moved"
    MARKET_MOVED = "market_moved"
    DISAGREED = "disagreed"
    AGREED = "agreed"
    HEARTBEAT = "heartbeat"
    FIRST_SEEN = "first_seen"
    RENAMED = "renamed"
    DELETED = "deleted"
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


METADATA_REASONS = frozenset({Reason.ADDED, Reason.CHANGED, Reason.REMOVED})
"""The reasons of metadata's events; no event of values has one of them."""

_KIND = "[a-z][a-z0-9_]{0,39}"
KIND_PATTERN = rf"^{_KIND}$"
TYPE_PATTERN = rf"^rtp\.{_KIND}\.(changed|added|removed|moved)$"
AMOUNT_PATTERN = r"^(-?\d+(\.\d+)?|NaN|-?Infinity)$"
TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"
TRACEPARENT_PATTERN = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
TRACESTATE_PATTERN = r"^[ -~]{1,512}$"
SEQUENCE_DIGITS = 20
_END = r"\Z"  # Python's `$` would let a line's end pass


def _matching(pattern: str, description: str, **schema: Any) -> Meta:
    return Meta(pattern=pattern.removesuffix("$") + _END, description=description, extra_json_schema=schema)


def _explained(text: str) -> Meta:
    return Meta(description=text)


Amount = Annotated[str, _matching(AMOUNT_PATTERN, "A decimal string, digit for digit as in the database.")]
Time = Annotated[str, _matching(TIME_PATTERN, "RFC 3339, UTC, microseconds.", format="date-time")]
Name = Annotated[str, Meta(min_length=1)]
KindName = Annotated[
    str, _matching(KIND_PATTERN, "What has changed: tvl, price, protocol, market, or a kind of the settings' own.")
]
EventType = Annotated[
    str, _matching(TYPE_PATTERN, "`rtp.<kind>.changed`; of metadata also `added` and `removed`; `rtp.market.moved`.")
]
Sequence = Annotated[
    str,
    _matching(
        rf"^\d{{{SEQUENCE_DIGITS}}}$",
        "Position in rtp's log, zero-padded so that text order is log order per partition key.",
    ),
]
Traceparent = Annotated[
    str, _matching(TRACEPARENT_PATTERN, "W3C Trace Context of the writer's transaction, where it set one.")
]
Tracestate = Annotated[str, _matching(TRACESTATE_PATTERN, "What goes with the traceparent, where the writer set it.")]


DeletedBy = Annotated[
    Literal["ttl"],
    Meta(
        description="Who deleted the item, where no writer did: `ttl` is DynamoDB, as the item's time to live was over."
    ),
]


def _constant(value: Any) -> Any:
    """A default that is written: `omit_defaults` leaves out what equals a plain one."""
    return field(default_factory=lambda: value)


# gc=False: an event holds nothing that could lead back to it.
class FieldChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One changed metadata field."""

    previous: Annotated[Any, _explained("The field's JSON value before; null when it had none.")]
    current: Annotated[Any, _explained("The field's JSON value now; null when it has none.")]


class MovedEntity(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One of the entities that have moved most in a market-wide move."""

    chain: Name
    entity: Name
    change_pct: Annotated[Amount, _explained("Its change in percent since the market-wide move has begun.")]


class EventData(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, gc=False):
    """What changed, by how much, why it is reported, and how far to trust it."""

    kind: KindName
    chain: Annotated[Name, _explained("The chain as the row names it; `all` where the watch maps none.")]
    entity: Annotated[Name, _explained("The protocol, token or other entity as the row names it.")]
    previous: Annotated[Amount | None, _explained("The value compared with: by default the last reported one.")]
    current: Annotated[Amount | None, _explained("The value now; null for null and for a deleted row.")]
    change: Annotated[Amount | None, _explained("current - previous, where both are finite.")]
    change_pct: Annotated[Amount | None, _explained("change in percent of |previous|, where that is not 0.")]
    fields: Annotated[dict[str, FieldChange] | None, _explained("Metadata events: every changed field, by name.")]
    reason: Reason
    severity: Severity
    duration_seconds: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        _explained("repeg: how long the price was off its peg; agreed: how long its sources disagreed."),
    ] = _constant(None)
    off_since: Annotated[Time | None, _explained("depeg, escalated, repeg: when the price went off its peg.")] = None
    lowest: Annotated[Amount | None, _explained("The same: the lowest price while it was off.")] = None
    over_seconds: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        _explained("moved: within which time; `previous` is of then."),
    ] = None
    market: Annotated[Name | None, _explained("The id of the market-wide move that the change is part of.")] = None
    direction: Annotated[
        Literal["up", "down"] | None,
        _explained("market_moved: where the median has gone; `current` is 100 and its percent."),
    ] = None
    moved_entities: Annotated[Annotated[int, Meta(ge=1)] | None, _explained("The same: how many have moved.")] = None
    watched_entities: Annotated[Annotated[int, Meta(ge=1)] | None, _explained("The same: of how many.")] = None
    largest: Annotated[list[MovedEntity] | None, _explained("The same: up to ten that have moved most.")] = None
    previous_chain: Annotated[Name | None, _explained("renamed: the chain of before, which may be the same.")] = None
    previous_entity: Annotated[Name | None, _explained("renamed: the name of before, which may be the same.")] = None
    previous_taken: Annotated[
        Literal[True] | None, _explained("renamed: another entity has the name of before now.")
    ] = None
    sources: Annotated[
        dict[str, Amount] | None,
        _explained("Where several sources must agree: what each one said last, by its name."),
    ] = None
    confidence: Annotated[float, Meta(ge=0, le=1, description="The row's own, or the watch's default.")]
    provenance: Annotated[str | None, _explained("The upstream source's name.")]
    changed_at: Annotated[Time, _explained("The row's own time where mapped, else when its statement arrived.")]
    detected_at: Annotated[Time, _explained("The database's clock when the trigger reported it.")]


class Event(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True, gc=False):
    """A CloudEvents 1.0 envelope around `EventData`."""

    specversion: Annotated[Literal["1.0"], Meta(extra_json_schema={"default": "1.0"})] = _constant("1.0")
    id: Annotated[Name, _explained("Unique per source, the same on every redelivery: deduplicate by it.")]
    source: Annotated[Name, _explained("URI reference of the watch that raised it.")]
    type: EventType
    subject: Annotated[Name, _explained("`<chain>/<entity>`, each part percent-encoded.")]
    time: Annotated[Time, _explained("When the change happened: data.changed_at.")]
    datacontenttype: Annotated[Literal["application/json"], Meta(extra_json_schema={"default": "application/json"})] = (
        _constant("application/json")
    )
    partitionkey: Annotated[Name, _explained("Events of one partition key arrive in order.")]
    sequence: Sequence
    traceparent: Traceparent | None = None
    tracestate: Tracestate | None = None
    deletedby: DeletedBy | None = None
    data: EventData

    @property
    def log(self) -> str:
        """The log that it is of: sequences of two logs do not compare. Empty for an event of a stream source."""
        return _log_of_id(self.id)

    @property
    def json_bytes(self) -> bytes:
        """The document as it goes over every wire. Encoding it costs less than to keep it."""
        return _ENCODER.encode(self)


# `<log>-<transaction>-<sequence>`, near the beginning of a document. core/sinks/remember.lua reads it likewise.
_ID_OF_A_LOG = re.compile(r"([^-]+)-[0-9]+-[0-9]+")
_ID_IN_DOCUMENT = re.compile(rb'"id":"([^"]*)"')
_ID_WITHIN_BYTES = 120
_ENCODER = Encoder()
_DECODER = Decoder(Event)


def decode_event(document: bytes | str) -> Event:
    """The event in a JSON document. Raises ValueError, with the first thing that is wrong, where it is none."""
    try:
        return _DECODER.decode(document)
    except ValidationError as error:
        raise ValueError(fault_of(error)) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"event: {one_line(error)}") from error


def log_of(document: bytes) -> str:
    """The log of the event in a document, without reading all of it; empty where it is of none."""
    found = _ID_IN_DOCUMENT.search(document, 0, _ID_WITHIN_BYTES)
    return _log_of_id(found[1].decode()) if found else ""


def _log_of_id(event_id: str) -> str:
    found = _ID_OF_A_LOG.fullmatch(event_id)
    return found[1] if found else ""


def fault_of(error: ValidationError, within: str = "") -> str:
    """Which part of an event is not valid, and what it must be."""
    what, _, place = str(error).partition(" - at `$")
    return f"{(within + place.rstrip('`')).strip('.') or 'event'}: {what}"


def event_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the event document."""
    components = schemas_of((Event,), "#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:rtp:event:1",
        **components.pop("Event"),
        "$defs": components,
    }


def schemas_of(types: Iterable[Any], ref_template: str) -> dict[str, Any]:
    """The JSON Schemas of these types and of all that are in them, by name; a reference is spelled by the template."""
    components: dict[str, Any] = _portable(schema_components(types, ref_template=ref_template)[1])
    if "Event" in components:
        attributes = components["Event"]["properties"]
        for name in ("traceparent", "tracestate", "deletedby"):  # an attribute of CloudEvents is there, and never null
            attributes[name] = attributes[name]["anyOf"][0]
    return components


def _portable(schema: Any) -> Any:
    """A schema with its patterns as every reader of JSON Schema knows them."""
    if isinstance(schema, dict):
        return {key: _portable(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_portable(member) for member in schema]
    return f"{schema.removesuffix(_END)}$" if isinstance(schema, str) and schema.endswith(_END) else schema


@lru_cache(maxsize=65_536)
def encode_part(part: str) -> str:
    """Percent-encode a name that comes from data, so that it can never act as a separator or a pattern.

    Only unreserved characters of RFC 3986 stay as they are: no `/`, `:`, `*`, `?`, `[` or `%` of the data's own.
    """
    return quote(part, safe="", errors="surrogatepass")


def decode_part(part: str) -> str:
    """The name that `encode_part` encoded."""
    return unquote(part, errors="surrogatepass")


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, always with six digits of a second; the moment must know its time zone."""
    text: str = to_builtins(moment)  # nine times as fast as isoformat(), and without digits for no microseconds
    if not text.endswith("Z"):
        return format_time(moment.astimezone(UTC))
    return text if moment.microsecond else f"{text[:-1]}.000000Z"


def format_sequence(sequence: int) -> str:
    """The CloudEvents `sequence` of a log position: fixed width, so that comparing text compares positions."""
    return str(sequence).zfill(SEQUENCE_DIGITS)
