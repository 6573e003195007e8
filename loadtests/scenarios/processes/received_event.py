"""An event as the receivers of a load test read it: what they look at, and nothing else."""

from __future__ import annotations

from datetime import datetime

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder


class ReceivedData(Struct, frozen=True, gc=False):
    """The part of an event's data that says which write it tells of, and when that was."""

    chain: str
    entity: str
    provenance: str | None
    changed_at: datetime
    detected_at: datetime


class ReceivedEvent(Struct, frozen=True, gc=False):
    """One event of rtp's."""

    sequence: str
    data: ReceivedData


_DECODER = Decoder(ReceivedEvent)


def decode(document: bytes | str) -> ReceivedEvent | None:
    """The event in a document; None where it is none."""
    try:
        return _DECODER.decode(document)
    except MsgspecError:
        return None
