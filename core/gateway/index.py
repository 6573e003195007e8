"""Who wants which event: subscriptions found by the event's entity, not tried one by one.

Subscriptions of the same filter and reach are one audience, which is tried once. An audience is bound to the topics
(entities) that its names fit, when either is new; so an event costs its topic's audiences alone. Of those, an audience
of exact entity names is found by name, and only the others are tried when a topic is new.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from core.gateway.names import NameTest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.gateway.placed_event import PlacedEvent
    from core.gateway.reach import Owner, Reach
    from core.gateway.subscription import Subscription
    from rtp_client.event_filter import EventFilter


class Topic:
    """An entity with events in the window, and who wants them."""

    __slots__ = ("audiences", "folded", "owner", "recent")

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.folded = _folded(owner)
        self.recent: deque[PlacedEvent] = deque()
        self.audiences: dict[Addressees, None] = {}


class Addressees:
    """The subscriptions of one filter and reach; `live` are those that have caught up with the stream."""

    __slots__ = ("_tests", "entities", "filter", "live", "members", "reach", "topics")

    def __init__(self, wanted: EventFilter, reach: Reach) -> None:
        self.filter = wanted
        self.reach = reach
        self.members = 0
        self.live: dict[Subscription, None] = {}
        self.topics: dict[Topic, None] = {}
        parts = (wanted.kind, wanted.chain, wanted.entity, reach.kinds, reach.chains, reach.entities)
        tests = [NameTest.of(part) for part in parts]
        self.entities = tests[2]
        self._tests = [(number % 3, test.fits) for number, test in enumerate(tests) if not test.is_any]

    def covers(self, owner: Owner) -> bool:
        """Whether an entity's events are wanted at all."""
        return self.covers_folded(_folded(owner))

    def covers_folded(self, folded: Owner) -> bool:
        """The same of names in `str.casefold`."""
        for part, fits in self._tests:  # noqa: SIM110 - a generator takes twice as long, and this is done thousandfold
            if not fits(folded[part]):
                return False
        return True

    def wants(self, placed: PlacedEvent) -> bool:
        """Whether an event is wanted, be its entity known or not."""
        return self.filter.fits(placed.event.data) and self.covers(placed.owner)


class Index:
    """The topics of the window and the audiences of all sessions, each bound to the other."""

    def __init__(self) -> None:
        self._topics: dict[Owner, Topic] = {}
        self._audiences: dict[tuple[EventFilter, Reach], Addressees] = {}
        self._by_entity: dict[str, dict[Addressees, None]] = {}
        self._others: dict[Addressees, None] = {}

    @property
    def topics(self) -> Iterable[Topic]:
        """All entities with events in the window."""
        return self._topics.values()

    def topic(self, owner: Owner) -> Topic:
        """The entity's topic, made where it is new."""
        found = self._topics.get(owner)
        if found is None:
            found = self._topics[owner] = Topic(owner)
            for audience in (*self._by_entity.get(found.folded[2], ()), *self._others):
                _bind(audience, found)
        return found

    def recent(self, owner: Owner) -> Sequence[PlacedEvent]:
        """The entity's events in the window, in the stream's order."""
        topic = self._topics.get(owner)
        return () if topic is None else tuple(topic.recent)

    def drop(self, topic: Topic) -> None:
        """Forget a topic whose events have all left the window."""
        del self._topics[topic.owner]
        for audience in topic.audiences:
            del audience.topics[topic]

    def join(self, wanted: EventFilter, reach: Reach) -> Addressees:
        """The audience of a new subscription, which `leave` takes it out of."""
        audience = self._audiences.get((wanted, reach))
        if audience is None:
            audience = self._audiences[wanted, reach] = Addressees(wanted, reach)
            for place in self._places(audience):
                place[audience] = None
            for topic in self._topics.values():
                _bind(audience, topic)
        audience.members += 1
        return audience

    def leave(self, audience: Addressees) -> None:
        """A subscription has ended."""
        audience.members -= 1
        if audience.members:
            return
        del self._audiences[audience.filter, audience.reach]
        for place in self._places(audience):
            del place[audience]
        for name in audience.entities.exact:
            if not self._by_entity.get(name, audience):
                del self._by_entity[name]
        for topic in audience.topics:
            del topic.audiences[audience]

    def _places(self, audience: Addressees) -> list[dict[Addressees, None]]:
        if not audience.entities.is_exact:
            return [self._others]
        return [self._by_entity.setdefault(name, {}) for name in audience.entities.exact]


def _bind(audience: Addressees, topic: Topic) -> None:
    if audience.covers_folded(topic.folded):
        audience.topics[topic] = None
        topic.audiences[audience] = None


def _folded(owner: Owner) -> Owner:
    kind, chain, entity = owner
    return kind.casefold(), chain.casefold(), entity.casefold()
