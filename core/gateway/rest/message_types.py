"""The messages of the live protocol as types: what the AsyncAPI document is made from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from core.gateway.rest.documents import EntryDocument
from rtp_client.event import Amount, Event, Reason, Severity
from rtp_client.live.wanted import Slow
from rtp_client.stream.gap import GapReason

SubscriptionId = Annotated[str, Meta(description="The client's own name for the subscription.")]
Place = Annotated[
    str, Meta(description="`<log>.<sequence>.<entry>`: where a reader is in the stream. `0`: before all that there is.")
]
Line = Annotated[str, Meta(description="One line for people: what has happened, and what to do.")]
Names = str | list[str]


class FilterParts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events are wanted. Every part that is given must fit; of several names one must."""

    kind: Annotated[Names | UnsetType, Meta(description="A name or a glob, or several, whatever the case.")] = UNSET
    chain: Annotated[Names | UnsetType, Meta(description="As `kind`.")] = UNSET
    entity: Annotated[Names | UnsetType, Meta(description="As `kind`.")] = UNSET
    min_pct: Annotated[Amount | float | UnsetType, Meta(description="At least this |change_pct|.")] = UNSET
    severity: Annotated[Severity | UnsetType, Meta(description="At least this one.")] = UNSET
    reason: Annotated[Reason | list[Reason] | UnsetType, Meta(description="One of these.")] = UNSET
    market: Annotated[bool | UnsetType, Meta(description="Whether it is part of a market-wide move.")] = UNSET


class SubscribeMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribe"):
    """Begin a subscription. A snapshot comes first, unless it is not wanted or a resume has worked."""

    id: SubscriptionId
    filter: FilterParts | UnsetType = UNSET
    snapshot: bool = True
    resume: Annotated[Place | UnsetType, Meta(description="Go on behind this position.")] = UNSET
    slow: Annotated[
        Slow,
        Meta(description="What becomes of a client that is too slow: the newest event per entity, or the end."),
    ] = "conflate"


class UnsubscribeMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribe"):
    """End a subscription."""

    id: SubscriptionId


class PingMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """Ask for a sign of life."""


class WelcomeMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="welcome"):
    """The first message of every connection."""

    version: Literal[1]
    ping_seconds: float
    limits: Annotated[dict[str, float], Meta(description="How much a client may ask for.")]


class SubscribedMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """The subscription holds: from this position on nothing is missed."""

    id: SubscriptionId
    position: Place
    log: str
    sequence: int
    resumed: Annotated[bool, Meta(description="Whether it goes on behind the position that was asked for.")]


class ResetMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="reset"):
    """What lay between is not known; a new snapshot follows."""

    id: SubscriptionId
    reason: GapReason
    message: Line
    position: Place


class SnapshotMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """A page of the values as they are; live events come after the last page."""

    id: SubscriptionId
    entries: Annotated[list[EntryDocument], Meta(max_length=200)]
    done: Annotated[bool, Meta(description="Whether this is the last page.")]


class EventMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """An event that the subscription wants."""

    id: SubscriptionId
    n: Annotated[int, Meta(ge=1, description="Counts the subscription's events; a jump beyond `skipped` is a loss.")]
    position: Place
    skipped: Annotated[int | UnsetType, Meta(description="How many were left out before it, for newer ones.")] = UNSET
    event: Event


class UnsubscribedMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribed"):
    """The subscription has ended."""

    id: SubscriptionId


class PongMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    """The sign of life that a ping asks for."""


class ErrorMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """A message could not be followed. The connection goes on, unless the message says otherwise."""

    code: str
    message: Line
    id: SubscriptionId | UnsetType | None = UNSET


class UpstreamMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="upstream"):
    """The gateway has lost Redis, or has it back."""

    state: Literal["lost", "back"]
    message: Line


class ReconnectMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="reconnect"):
    """The gateway is about to end: connect again, elsewhere, after so long."""

    after_ms: Annotated[int, Meta(ge=0)]
    message: Line


FROM_CLIENT = (SubscribeMessage, UnsubscribeMessage, PingMessage)
TO_CLIENT = (
    WelcomeMessage,
    SubscribedMessage,
    ResetMessage,
    SnapshotMessage,
    EventMessage,
    UnsubscribedMessage,
    PongMessage,
    ErrorMessage,
    UpstreamMessage,
    ReconnectMessage,
)
