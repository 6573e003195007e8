"""A dead letter, wherever it lies: in rtp's own table, or in an SQS queue where the redrive policy put it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from rtp_client.event_filter import named

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


class LetterOrigin(StrEnum):
    """Where a letter lies: in rtp's own table or, of a stream source, in Redis; in SQS; or with `rtp notify`."""

    DATABASE = "database"
    QUEUE = "queue"
    REDIS = "redis"
    NOTIFY = "notify"


class Selectable(Protocol):
    """What a selection looks at."""

    @property
    def id(self) -> str: ...
    @property
    def origin(self) -> LetterOrigin: ...
    @property
    def sink(self) -> str | None: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def chain(self) -> str | None: ...
    @property
    def entity(self) -> str | None: ...
    @property
    def error(self) -> str: ...
    @property
    def newest_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Letter:
    """What is known of a letter without its event. `group` is the event's partition key, within which order is kept."""

    id: str
    origin: LetterOrigin
    sink: str
    sequence: int | None
    event_id: str
    kind: str | None
    chain: str | None
    entity: str | None
    group: str
    error: str
    attempts: int
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    status: str = "dead"
    settled_at: datetime | None = None
    queued_at: datetime | None = None

    @property
    def newest_at(self) -> datetime | None:
        """When it was last heard of; SQS does not tell when a consumer last tried."""
        return self.last_attempt_at or self.first_attempt_at


@dataclass(frozen=True)
class Selection:
    """Which letters are meant: by id, or by every part that is given; names may be globs, in any case."""

    ids: frozenset[str] = frozenset()
    sink: str | None = None
    origin: LetterOrigin | None = None
    kind: str | None = None
    chain: str | None = None
    entity: str | None = None
    since: datetime | None = None
    error: str | None = None

    @property
    def has_filters(self) -> bool:
        """Whether any part is given."""
        return self != Selection(ids=self.ids)

    def matches(self, letter: Selectable) -> bool:
        """Whether a letter is meant."""
        return (
            (not self.ids or letter.id in self.ids)
            and self.sink in (None, letter.sink)
            and self.origin in (None, letter.origin)
            and self.kind in (None, letter.kind)
            and named(letter.chain or "", self.chain)
            and named(letter.entity or "", self.entity)
            and (self.since is None or letter.newest_at is None or letter.newest_at >= self.since)
            and (self.error is None or self.error.casefold() in letter.error.casefold())
        )


def letter_of_message(message: MessageTypeDef, sink: str) -> Letter:
    """What SQS moved to the dead letter queue, as a letter. Its body may be anything."""
    attributes = dict[str, Any](message.get("Attributes", {}).items())
    event = event_of_message(message)
    data = event.get("data") if isinstance(event.get("data"), dict) else {}
    assert isinstance(data, dict)
    sequence = str(event.get("sequence", ""))
    receives = int(attributes.get("ApproximateReceiveCount", 0))
    return Letter(
        id=message["MessageId"],
        origin=LetterOrigin.QUEUE,
        sink=sink,
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() else None,
        event_id=str(event.get("id", "")),
        kind=data.get("kind"),
        chain=data.get("chain"),
        entity=data.get("entity"),
        group=str(event.get("partitionkey") or attributes.get("MessageGroupId", "")),
        error="no consumer deleted it: SQS's redrive policy moved it here",
        attempts=receives,
        first_attempt_at=_moment(attributes.get("SentTimestamp")),
        last_attempt_at=None,
    )


def event_of_message(message: MessageTypeDef) -> dict[str, Any]:
    """The event in a message's body; empty where it is none."""
    try:
        event = json.loads(message.get("Body", ""))
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _moment(milliseconds: Any) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
