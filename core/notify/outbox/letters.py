"""What could never be told, as `rtp dlq` handles dead letters: a letter for each alert and destination, in Redis."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.letters.failure import Failure
from core.letters.letter import Letter, LetterOrigin
from core.letters.redrive import Result
from core.notify.outbox.scripts import REVIVE
from core.redis_names import NOTIFY_DEAD, outbox_key
from rtp_client.event import decode_event
from rtp_client.redis import redis_errors
from rtp_client.stream.entries import StreamEntry, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from core.letters.letter import Selection


class UntoldLetters:
    """A box of them. Every method raises SinkUnavailable."""

    place = NOTIFY_DEAD

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._client = client
        self._address = address
        self._revive = client.register_script(REVIVE)
        self._places: dict[str, tuple[str, str]] = {}

    def count(self) -> int:
        """How many there are."""
        with redis_errors(self._address, SinkUnavailable):
            return int(self._client.xlen(NOTIFY_DEAD))

    def read(self) -> list[tuple[Letter, str]]:
        """All of them, the oldest first, each with its event's document."""
        with redis_errors(self._address, SinkUnavailable):
            found = parse(self._client.xrange(NOTIFY_DEAD))
        letters = [_letter(entry) for entry in found]
        self._places = {one.id: (entry.id, one.sink) for one, entry in zip(letters, found, strict=True)}
        return [(letter, entry.document.decode()) for letter, entry in zip(letters, found, strict=True)]

    @contextmanager
    def hold(self) -> Iterator[list[tuple[Failure, str]]]:
        """As `read`, as letters of a stream source are shown."""
        yield [(_failure(letter), document) for letter, document in self.read()]

    def delete(self, letter: Letter | Failure) -> None:
        """Remove one that was read."""
        with redis_errors(self._address, SinkUnavailable):
            self._client.xdel(NOTIFY_DEAD, self._places[letter.id][0])

    def send_back(self, letter: Letter | Failure) -> None:
        """Have it told again, behind all that waits for its destination."""
        place, destination = self._places[letter.id]
        with redis_errors(self._address, SinkUnavailable):
            self._revive([NOTIFY_DEAD, outbox_key(destination)], [place])

    def retry(self, selection: Selection, *, out_of_order: bool) -> Iterator[Result]:
        """Have those that are meant told again, the oldest of each group first."""
        blocked: dict[tuple[str, str], str] = {}
        for letter, _ in self.read():
            group = (letter.sink, letter.group)
            if not selection.matches(letter):
                blocked.setdefault(group, letter.id)
            elif group in blocked and not out_of_order:
                why = f"letter {blocked[group]} of its group is older: retry it too, or drop it"
                yield Result(letter, "waiting", why)
            else:
                self.send_back(letter)
                yield Result(letter, "redriven")

    def drop(self, selection: Selection) -> Iterator[Result]:
        """Remove those that are meant."""
        for letter in self.meant(selection):
            self.delete(letter)
            yield Result(letter, "dropped")

    def find(self, letter_id: str) -> tuple[Letter, dict[str, Any]] | None:
        """The letter of that id, with its event."""
        found = (one for one in self.read() if one[0].id == letter_id)
        return next(((letter, dict(json.loads(document))) for letter, document in found), None)

    def meant(self, selection: Selection) -> list[Letter]:
        """Which are meant."""
        return [letter for letter, _ in self.read() if selection.matches(letter)]


def _letter(entry: StreamEntry) -> Letter:
    said = {name.decode(): value.decode() for name, value in entry.fields.items()}
    destination, document = said.get("destination", ""), said.get("event", "")
    died_at = datetime.fromtimestamp(entry.order[0] / 1000, UTC)
    known: dict[str, Any] = {"sequence": None, "event_id": "", "kind": None, "chain": None, "entity": None, "group": ""}
    try:
        event = decode_event(document)
    except ValueError:  # of a later version of rtp
        pass
    else:
        data = event.data
        known = {"sequence": int(event.sequence), "event_id": event.id, "group": event.partitionkey}
        known |= {"kind": data.kind, "chain": data.chain, "entity": data.entity}
    return Letter(
        id=hashlib.blake2s(f"{destination} {entry.id}".encode(), digest_size=16).hexdigest(),
        origin=LetterOrigin.NOTIFY,
        sink=destination,
        error=said.get("reason", ""),
        attempts=int(said.get("tries", 0)),
        first_attempt_at=None,
        last_attempt_at=died_at,
        **known,
    )


def _failure(letter: Letter) -> Failure:
    return Failure(
        letter.id,
        letter.origin,
        NOTIFY_DEAD,
        "alert",
        letter.error,
        letter.newest_at,
        sink=letter.sink,
        event_id=letter.event_id,
        kind=letter.kind,
        chain=letter.chain,
        entity=letter.entity,
    )
