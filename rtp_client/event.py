"""The event: one significant change, as a CloudEvents 1.0 JSON document.

`Event` is the single source of truth: what rtp publishes is this model's JSON, `rtp schema` prints its JSON
Schema, and the schema ships with the package. Attribute names follow CloudEvents 1.0 and its documented
`partitioning` (`partitionkey`), `sequence` and distributed tracing (`traceparent`) extensions.

Amounts are decimal strings, digit for digit what PostgreSQL holds: a JSON number would be rounded to a double by
most readers, and could not carry NaN or Infinity at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema


class Severity(StrEnum):
    """How much a change matters; routes can use it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Reason(StrEnum):
    """Why a change was found significant; `docs/detection.md` has the rules."""

    DEVIATION = "deviation"
    FROM_ZERO = "from_zero"
    TO_ZERO = "to_zero"
    FROM_NULL = "from_null"
    TO_NULL = "to_null"
    NOT_FINITE = "not_finite"
    FINITE_AGAIN = "finite_again"
    DEPEG = "depeg"
    REPEG = "repeg"
    HEARTBEAT = "heartbeat"
    FIRST_SEEN = "first_seen"
    DELETED = "deleted"
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


METADATA_REASONS = frozenset({Reason.ADDED, Reason.CHANGED, Reason.REMOVED})
"""The reasons of metadata's events; no event of values has one of them."""

_KIND = "[a-z][a-z0-9_]{0,39}"
KIND_PATTERN = rf"^{_KIND}$"
TYPE_PATTERN = rf"^rtp\.{_KIND}\.(changed|added|removed)$"
AMOUNT_PATTERN = r"^(-?\d+(\.\d+)?|NaN|-?Infinity)$"
TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"
TRACEPARENT_PATTERN = r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
TRACESTATE_PATTERN = r"^[ -~]{1,512}$"
SEQUENCE_DIGITS = 20

Amount = Annotated[
    str,
    StringConstraints(pattern=AMOUNT_PATTERN),
    Field(description="A decimal string, digit for digit as in the database."),
]
Time = Annotated[
    str,
    StringConstraints(pattern=TIME_PATTERN),
    Field(description="RFC 3339, UTC, microseconds.", json_schema_extra={"format": "date-time"}),
]
Name = Annotated[str, StringConstraints(min_length=1)]
KindName = Annotated[
    str,
    StringConstraints(pattern=KIND_PATTERN),
    Field(description="What has changed: tvl, price, protocol, or a kind of the settings' own."),
]
EventType = Annotated[
    str,
    StringConstraints(pattern=TYPE_PATTERN),
    Field(description="`rtp.<kind>.changed`; of metadata also `added` and `removed`."),
]


def _is_absent(value: str | None) -> bool:
    return value is None


def _has_no_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldChange(_Frozen):
    """One changed metadata field."""

    previous: Any = Field(description="The field's JSON value before; null when it had none.")
    current: Any = Field(description="The field's JSON value now; null when it has none.")


class EventData(_Frozen):
    """What changed, by how much, why it is reported, and how far to trust it."""

    kind: KindName
    chain: Name = Field(description="The chain as the row names it; `all` where the watch maps none.")
    entity: Name = Field(description="The protocol, token or other entity as the row names it.")
    previous: Amount | None = Field(description="The value compared with: by default the last reported one.")
    current: Amount | None = Field(description="The value now; null for null and for a deleted row.")
    change: Amount | None = Field(description="current - previous, where both are finite.")
    change_pct: Amount | None = Field(description="change in percent of |previous|, where that is not 0.")
    fields: dict[str, FieldChange] | None = Field(description="Metadata events: every changed field, by name.")
    reason: Reason
    severity: Severity
    duration_seconds: float | None = Field(default=None, ge=0, description="repeg: how long the price was off its peg.")
    confidence: float = Field(ge=0, le=1, description="The row's own, or the watch's default.")
    provenance: str | None = Field(description="The upstream source's name.")
    changed_at: Time = Field(description="The row's own time where mapped, else when its statement arrived.")
    detected_at: Time = Field(description="The database's clock when the trigger reported it.")


class Event(_Frozen):
    """A CloudEvents 1.0 envelope around `EventData`."""

    specversion: Literal["1.0"] = "1.0"
    id: Name = Field(description="Unique per source, the same on every redelivery: deduplicate by it.")
    source: Name = Field(description="URI reference of the watch that raised it.")
    type: EventType
    subject: Name = Field(description="`<chain>/<entity>`, each part percent-encoded.")
    time: Time = Field(description="When the change happened: data.changed_at.")
    datacontenttype: Literal["application/json"] = "application/json"
    partitionkey: Name = Field(description="Events of one partition key arrive in order.")
    sequence: str = Field(
        pattern=rf"^\d{{{SEQUENCE_DIGITS}}}$",
        description="Position in rtp's log, zero-padded so that text order is log order per partition key.",
    )
    # An attribute of CloudEvents is there or not, and never null.
    traceparent: Annotated[str, StringConstraints(pattern=TRACEPARENT_PATTERN)] | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=_is_absent,
        json_schema_extra=_has_no_default,
        description="W3C Trace Context of the writer's transaction, where it set one.",
    )
    tracestate: Annotated[str, StringConstraints(pattern=TRACESTATE_PATTERN)] | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=_is_absent,
        json_schema_extra=_has_no_default,
        description="What goes with the traceparent, where the writer set it.",
    )
    data: EventData

    @cached_property
    def json_bytes(self) -> bytes:
        """The document as it goes over every wire; made once per event."""
        return self.__pydantic_serializer__.to_json(self)


def event_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the event document."""
    schema = Event.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:rtp:event:1",
        **schema,
    }


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
    """RFC 3339 in UTC, always with six digits of a second."""
    if moment.utcoffset():  # rtp's connections are in UTC, where there is nothing to convert
        moment = moment.astimezone(UTC)
    return moment.isoformat("T", "microseconds").removesuffix("+00:00") + "Z"


def format_sequence(sequence: int) -> str:
    """The CloudEvents `sequence` of a log position: fixed width, so that comparing text compares positions."""
    return str(sequence).zfill(SEQUENCE_DIGITS)
