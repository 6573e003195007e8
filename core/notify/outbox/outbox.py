"""The outbox in Redis: of each destination the alerts that wait, in order of arrival, and how the destination stands.

An alert leaves it in the same step that notes what came of it. So whoever is killed leaves everything behind that was
not told, and at most the message that was under way is sent again.

Only who holds the lease of a destination takes from its outbox: `lease.py`. Every step but `put` is refused to others.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.notify.alert import Alert
from core.notify.counts import DestinationCounts
from core.notify.outbox.scripts import BEGIN, PUT, SETTLE
from core.notify.outbox.standing import Standing, standing_in
from core.redis_names import (
    NOTIFY_DEAD,
    NOTIFY_DESTINATIONS,
    NOTIFY_SEEN,
    lease_key,
    outbox_key,
    standing_key,
    tries_key,
)
from rtp_client.event import decode_event, decode_part
from rtp_client.keys import STREAM
from rtp_client.redis import redis_errors
from rtp_client.stream.entries import BEGINNING, StreamEntry, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import redis

    from rtp_client.event import Event

TELLING = "telling"
"""What the work of telling destinations is called in the names of leases."""
TAKING = "taking"
"""The same of taking from the stream, which is one piece."""
GROUP = "rtp-notify"
"""The consumer group of rtp's stream."""
_REMEMBERED_MS = 3 * 24 * 3600 * 1000
_MOST_REMEMBERED = 200_000
MOST_DEAD = 10_000


@dataclass(frozen=True)
class Addressed:
    """An event, and the destinations that are to be told. `id` is told once: an event's own unless it is given."""

    event: Event
    destinations: Sequence[str]
    id: str = ""


@dataclass(frozen=True)
class Taken:
    """The entries of rtp's stream that alerts were taken from, and the token of who may take from it."""

    token: str
    entries: Sequence[str]


class Outbox:
    """All destinations' outboxes. For threads. Every method raises SinkUnavailable."""

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._client = client
        self._address = address
        self._put = client.register_script(PUT)
        self._begin = client.register_script(BEGIN)
        self._settle = client.register_script(SETTLE)

    def put(self, alerts: Iterable[Addressed], taken: Taken | None = None) -> int | None:
        """Put alerts in, each once; returns how many were new. None: who took them from the stream may not any more."""
        numbers: dict[str, int] = {}
        arguments: list[str | bytes] = []
        for alert in alerts:
            wanted = [str(numbers.setdefault(one, len(numbers) + 1)) for one in alert.destinations]
            if wanted:
                arguments += (alert.id or alert.event.id, alert.event.json_bytes, " ".join(wanted))
        if not arguments and taken is None:
            return 0
        keys = [NOTIFY_SEEN, STREAM, lease_key(TAKING, STREAM), *map(outbox_key, numbers)]
        token, entries = ("", "") if taken is None else (taken.token, " ".join(taken.entries))
        with redis_errors(self._address, SinkUnavailable):
            new = int(self._put(keys, [_REMEMBERED_MS, _MOST_REMEMBERED, token, GROUP, entries, *arguments]))
        return None if new < 0 else new

    def waiting(self, destination: str, *, after: str = BEGINNING, most: int) -> list[Alert]:
        """The oldest alerts behind a place, in order."""
        with redis_errors(self._address, SinkUnavailable):
            found = self._client.xrange(outbox_key(destination), min=f"({after}", count=most)
        return [_alert(entry) for entry in parse(found)]

    def at(self, destination: str, places: Sequence[str]) -> list[Alert]:
        """Those alerts at these places that still wait."""
        pipeline = self._client.pipeline(transaction=False)
        for place in places:
            pipeline.xrange(outbox_key(destination), place, place)
        with redis_errors(self._address, SinkUnavailable):
            found: Any = pipeline.execute() if places else []
        return [_alert(entry) for entries in found for entry in parse(entries)]

    def arrivals(self, after: Mapping[str, str], *, most: int, block_ms: int) -> dict[str, list[Alert]]:
        """What is in some destinations' outboxes behind these places; it waits for the first."""
        places = {outbox_key(destination): place for destination, place in after.items()}
        with redis_errors(self._address, SinkUnavailable):
            found: Any = self._client.xread(places, count=most, block=block_ms)  # type: ignore[arg-type]
        pairs = found.items() if isinstance(found, dict) else found or ()
        return {_destination(key): [_alert(entry) for entry in parse(entries)] for key, entries in pairs}

    def begin(
        self, destination: str, places: Sequence[str], token: str, *, spent_until: float
    ) -> Mapping[str, int] | None:
        """A message is about to be sent. Which try it is for each of its alerts that still waits.

        None: the destination is another's by now.
        """
        keys = [lease_key(TELLING, destination), outbox_key(destination), tries_key(destination)]
        with redis_errors(self._address, SinkUnavailable):
            tries: Any = self._begin([*keys, standing_key(destination)], [token, f"{spent_until:.3f}", *places])
        return {place: number for place, number in zip(places, tries, strict=True) if number} if tries else None

    def settle(
        self,
        destination: str,
        places: Sequence[str],
        token: str,
        *,
        counts: DestinationCounts,
        note: Mapping[str, Any],
        dead: str = "",
    ) -> bool:
        """Note what came of a message; the alerts at `places` are through. `dead` says why they can never be told.

        False: the destination is another's by now, and nothing is noted.
        """
        keys = [
            lease_key(TELLING, destination),
            outbox_key(destination),
            tries_key(destination),
            standing_key(destination),
            NOTIFY_DEAD,
        ]
        letter = json.dumps({"destination": destination, "reason": dead}) if dead else ""
        added = {name: count for name, count in asdict(counts).items() if count}
        arguments: list[str | int] = [token, letter, MOST_DEAD, json.dumps(added), json.dumps(note), *places]
        with redis_errors(self._address, SinkUnavailable):
            return int(self._settle(keys, arguments)) == 1

    def standing(self, destination: str) -> Standing:
        """How a destination stands."""
        return self.standings([destination])[destination]

    def standings(self, destinations: Sequence[str]) -> dict[str, Standing]:
        """How each of these stands."""
        pipeline = self._client.pipeline(transaction=False)
        for destination in destinations:
            pipeline.hgetall(standing_key(destination))
            pipeline.xlen(outbox_key(destination))
            pipeline.xrange(outbox_key(destination), count=1)
        with redis_errors(self._address, SinkUnavailable):
            answers = iter(pipeline.execute())
        return {destination: standing_in(next(answers), next(answers), next(answers)) for destination in destinations}

    def know(self, destinations: Collection[str]) -> list[str]:
        """Note which destinations there are. Returns those that are no more, and still have alerts that wait."""
        with redis_errors(self._address, SinkUnavailable):
            if destinations:
                self._client.sadd(NOTIFY_DESTINATIONS, *destinations)
            known: Any = self._client.smembers(NOTIFY_DESTINATIONS)
            gone = sorted({name.decode() for name in known} - set(destinations))
            left = [name for name in gone if self._client.xlen(outbox_key(name))]
            if empty := set(gone) - set(left):
                self._client.srem(NOTIFY_DESTINATIONS, *empty)
        return left


def _alert(entry: StreamEntry) -> Alert:
    return Alert(decode_event(entry.document), entry.id)


def _destination(key: bytes | str) -> str:
    # In a cluster a key has another spelling, but for its last part.
    name = key if isinstance(key, str) else key.decode()
    return decode_part(name.rpartition(":")[2])
