"""The messages of the live protocol: what clients send, and what they are sent (docs/reference/live.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from core.errors import SettingsError
from core.gateway.names import is_glob
from rtp_client.event import fault_of
from rtp_client.event_filter import EventFilter
from rtp_client.live.wanted import Slow
from rtp_client.stream.position import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.gateway.outlet import Document

PROTOCOL_VERSION = 1
_LONGEST_ID = 64
_GLOB_CHARACTERS = 1000  # of a part's globs; all clients wait while they are compiled


class Subscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="subscribe"):
    """Begin a subscription."""

    id: str
    filter: dict[str, Any] = {}
    snapshot: bool = True
    resume: str | None = None
    slow: Slow = "conflate"

    @property
    def wanted(self) -> EventFilter:
        """Which events. Raises SettingsError."""
        wanted = EventFilter.from_json(self.filter)
        for part in ("kind", "chain", "entity"):
            names: Sequence[str] = getattr(wanted, part) or ()
            if sum(len(name) for name in names if is_glob(name)) > _GLOB_CHARACTERS:
                raise SettingsError(
                    f"filter.{part}: its globs have more than {_GLOB_CHARACTERS:,} characters",
                    "Take several subscriptions, or whole names, which may be more",
                )
        return wanted

    @property
    def position(self) -> Position | None:
        """Where to go on. Raises SettingsError."""
        if self.resume is None:
            return None
        try:
            return Position.parse(self.resume)
        except ValueError as error:
            raise SettingsError(f"resume: {error}") from None

    def check(self) -> None:
        """Raise SettingsError where it asks for what can be nothing."""
        _ = self.wanted, self.position


class Unsubscribe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="unsubscribe"):
    """End a subscription."""

    id: str


class Ping(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """Ask for a pong."""


Request = Subscribe | Unsubscribe | Ping
_DECODER: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Subscribe | Unsubscribe | Ping)
_ENCODER = msgspec.json.Encoder()


def read_request(text: str | bytes) -> Request:
    """A client's message. Raises SettingsError, with what is wrong and how to mend it."""
    try:
        request = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise SettingsError(f"message: {fault_of(error)}", _MESSAGES_ARE) from None
    except (ValueError, RecursionError):
        raise SettingsError("message: is no JSON", _MESSAGES_ARE) from None
    if not isinstance(request, Ping) and not 0 < len(request.id) <= _LONGEST_ID:
        raise SettingsError(f"message: `id` must have 1 to {_LONGEST_ID} characters", "Choose a short one")
    return request


_MESSAGES_ARE = 'Send {"type":"subscribe","id":"a","filter":{"kind":"price"}}, an unsubscribe or a ping'


def message(kind: str, **members: Any) -> Document:
    """A message that one client is sent; members that are None are left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return _ENCODER.encode({"type": kind, **given}), b""


def snapshot_head(subscription: str) -> bytes:
    """The beginning of the message of a snapshot's page; the page's own shared part ends it."""
    return b'{"type":"snapshot","id":%b,' % _ENCODER.encode(subscription)


def event_head(subscription: str, n: int, skipped: int) -> bytes:
    """The beginning of an event's message; the event's own shared part ends it."""
    head = b'{"type":"event","id":%b,"n":%d,' % (_ENCODER.encode(subscription), n)
    return head + b'"skipped":%d,' % skipped if skipped else head
