"""What somebody has acknowledged, and what nobody has yet: in Redis, so that no restart forgets either.

An event is acknowledged for everybody at once. A message that asks for it is noted before it is sent, with the events
that it tells of, under an id that is made of theirs: told once more after a crash, it has the same.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b32encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.redis_names import NOTIFY_ACKNOWLEDGED, NOTIFY_ESCALATED, NOTIFY_EXPECTED, NOTIFY_EXPECTED_EVENTS, offer_key
from rtp_client.event import decode_event, encode_part
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import redis
    from redis.client import Pipeline

    from rtp_client.event import Event

KEPT_SECONDS = 8 * 86_400
"""How long it is remembered what was acknowledged, and what can be: longer than anybody may be waited for."""
_ID_LENGTH = 10


@dataclass(frozen=True)
class Expected:
    """An event that an audience is to acknowledge until then, Unix time."""

    audience: str
    event: Event
    until: float

    @property
    def member(self) -> str:
        """What it is called in Redis: whose it is, of what, how far in the order of its entity, and which event."""
        event = self.event
        return f"{self.audience} {encode_part(event.partitionkey)} {event.sequence} {event.id}"


@dataclass(frozen=True)
class Offer:
    """A message that can be acknowledged: its first line, and the ids of its events."""

    id: str
    title: str
    events: tuple[str, ...]


def offer_of(events: Sequence[Event], title: str) -> Offer:
    """The offer to acknowledge a message about these events."""
    ids = tuple(event.id for event in events)
    digest = hashlib.sha256("\n".join(ids).encode()).digest()
    return Offer(b32encode(digest)[:_ID_LENGTH].decode().lower(), title, ids)


class Acknowledgements:
    """All of them. For threads. Every method raises SinkUnavailable."""

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._client = client
        self._address = address

    def expect(self, expected: Iterable[Expected]) -> None:
        """From now on somebody is waited for. Said twice, the first time counts."""
        pipeline = self._client.pipeline(transaction=True)
        for one in expected:
            pipeline.zadd(NOTIFY_EXPECTED, {one.member: one.until}, nx=True)
            pipeline.hsetnx(NOTIFY_EXPECTED_EVENTS, one.member, one.event.json_bytes)
            pipeline.set(offer_key(one.event.id), _held(Offer(one.event.id, "", (one.event.id,))), ex=KEPT_SECONDS)
        if len(pipeline):
            self._execute(pipeline)

    def overdue(self, now: float, *, most: int = 500) -> list[Expected]:
        """What nobody has acknowledged in time. It stays so until it is said to be `settled`.

        With it comes what the same entity still has before it, so that its events are told on in order, too.
        """
        with redis_errors(self._address, SinkUnavailable):
            due: Any = self._client.zrangebyscore(NOTIFY_EXPECTED, "-inf", now, start=0, num=most)
            everything: Any = self._client.zrange(NOTIFY_EXPECTED, 0, -1, withscores=True) if due else []
        until = {member.decode(): score for member, score in everything}
        latest: dict[tuple[str, str], str] = {}
        for audience, entity, sequence, _ in map(_parts, (member.decode() for member in due)):
            latest[audience, entity] = max(latest.get((audience, entity), ""), sequence)
        taken = [name for name in until if _parts(name)[2] <= latest.get(_parts(name)[:2], "")]
        return self._open(sorted(taken, key=lambda name: _parts(name)[2]), until) if taken else []

    def _open(self, names: Sequence[str], until: Mapping[str, float]) -> list[Expected]:
        with redis_errors(self._address, SinkUnavailable):
            events: Any = self._client.hmget(NOTIFY_EXPECTED_EVENTS, names)
            done: Any = self._client.zmscore(NOTIFY_ACKNOWLEDGED, [_parts(name)[3] for name in names])
        found, over = [], []
        for name, event, acknowledged_at in zip(names, events, done, strict=True):
            if event is None or acknowledged_at is not None:
                over.append(name)
            else:
                found.append(Expected(_parts(name)[0], decode_event(event), until[name]))
        self._remove(over)
        return found

    def settled(self, overdue: Iterable[Expected], *, escalated: int) -> None:
        """Others are told of these, by so many alerts that were new to them."""
        if escalated:
            with redis_errors(self._address, SinkUnavailable):
                self._client.incrby(NOTIFY_ESCALATED, escalated)
        self._remove([one.member for one in overdue])

    def offer(self, offer: Offer) -> None:
        """A message that can be acknowledged is about to be sent."""
        with redis_errors(self._address, SinkUnavailable):
            self._client.set(offer_key(offer.id), _held(offer), ex=KEPT_SECONDS)

    def find(self, offer_id: str) -> Offer | None:
        """What can be acknowledged by an id, a message's or an event's."""
        with redis_errors(self._address, SinkUnavailable):
            text: Any = self._client.get(offer_key(offer_id))
        if text is None:
            return None
        held = json.loads(text)
        return Offer(offer_id, held["title"], tuple(held["events"]))

    def acknowledge(self, offer: Offer, now: float) -> None:
        """Somebody looks after these events. Nobody else is told of them any more for want of that."""
        pipeline = self._client.pipeline(transaction=True)
        pipeline.zadd(NOTIFY_ACKNOWLEDGED, dict.fromkeys(offer.events, now), nx=True)
        pipeline.zremrangebyscore(NOTIFY_ACKNOWLEDGED, "-inf", now - KEPT_SECONDS)
        pipeline.zrange(NOTIFY_EXPECTED, 0, -1)
        events, members = set(offer.events), map(bytes.decode, self._execute(pipeline)[-1])
        self._remove([member for member in members if _parts(member)[3] in events])

    def acknowledged_at(self, offer: Offer) -> float | None:
        """When the last of these events was acknowledged, Unix time; None where one is not."""
        with redis_errors(self._address, SinkUnavailable):
            times: Any = self._client.zmscore(NOTIFY_ACKNOWLEDGED, list(offer.events))
        return None if any(one is None for one in times) else max(times)

    def counts(self) -> tuple[int, int]:
        """How many are waited for now, and how many alerts there ever were for want of an acknowledgement."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.zcard(NOTIFY_EXPECTED)
        pipeline.get(NOTIFY_ESCALATED)
        expected, escalated = self._execute(pipeline)
        return int(expected), int(escalated or 0)

    def _remove(self, members: Sequence[str]) -> None:
        if members:
            pipeline = self._client.pipeline(transaction=True)
            pipeline.zrem(NOTIFY_EXPECTED, *members)
            pipeline.hdel(NOTIFY_EXPECTED_EVENTS, *members)
            self._execute(pipeline)

    def _execute(self, pipeline: Pipeline) -> list[Any]:
        with redis_errors(self._address, SinkUnavailable):
            return list(pipeline.execute())


def _parts(member: str) -> tuple[str, str, str, str]:
    audience, entity, sequence, event = member.split(" ", 3)
    return audience, entity, sequence, event


def _held(offer: Offer) -> str:
    return json.dumps({"title": offer.title, "events": offer.events})
