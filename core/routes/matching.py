"""Which queues and channels an event goes to. Pure: from settings and an event's own values to names.

The default queue gets every event but heartbeats, unless a route names it: then it gets what its routes match, like any
other. A heartbeat says that all is well, which is no alert: a queue gets it from a route alone that names that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from core.settings.rules import matches_glob
from rtp_client.event import Reason, Severity
from rtp_client.event_filter import SEVERITY_RANK, Move, moved_at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings.models import Settings
    from core.settings.routes import Route, RouteMatch


class Routable(Move, Protocol):
    """What a route looks at: a row of the log and an event's data both have it."""

    @property
    def kind(self) -> str:
        """Its kind, by name."""

    @property
    def chain(self) -> str:
        """The chain, as the row names it."""

    @property
    def entity(self) -> str:
        """The protocol, token or other entity."""

    @property
    def market(self) -> str | None:
        """The market-wide move that it is part of."""


@dataclass(frozen=True)
class RouteVerdict:
    """What a route says of one event: `mismatch` is the first key that does not fit, None where all do."""

    label: str
    route: Route
    mismatch: str | None


def label_of(route: Route, place: int) -> str:
    """What to call a route: its name, else its place in the file."""
    return route.name or f"routes[{place}]"


class Routes:
    """The routes of one settings file, ready to be asked about every event."""

    def __init__(self, settings: Settings) -> None:
        self._routes = settings.routes
        self._default = settings.sqs.queue
        self._has_heartbeats = any(
            source.heartbeat for watch in settings.watches.values() if watch.has_value for source in watch.rule_sources
        )
        self._candidates = lru_cache(maxsize=65_536)(self._find_candidates)

    def takes_all(self, queue: str) -> bool:
        """Whether the queue gets every event there is: the default one, where no route names it and no rule beats."""
        return self._is_unrouted(queue) and not self._has_heartbeats

    @property
    def has_channels(self) -> bool:
        """Whether any route leads to a channel."""
        return any(route.channel for route in self._routes)

    def goes_to(self, queue: str, event: Routable) -> bool:
        """Whether an event belongs in this queue."""
        return queue in self.queues(event)

    def channels(self, event: Routable) -> list[str]:
        """The extra channels of an event, each once."""
        return list(dict.fromkeys(route.channel for route in self._matching(event) if route.channel))

    def queues(self, event: Routable) -> list[str]:
        """The queues of an event, each once; the default first."""
        matching = [route for route in self._matching(event) if not _is_mere_heartbeat(route, event)]
        is_alert = event.reason != Reason.HEARTBEAT
        everything = [self._default] if self._default and is_alert and self._is_unrouted(self._default) else []
        return list(dict.fromkeys([*everything, *(route.queue for route in matching if route.queue)]))

    def judge(self, event: Routable) -> list[RouteVerdict]:
        """What every route says of an event, and why."""
        return [
            RouteVerdict(label_of(route, place), route, mismatch(route.match, event) or _unasked(route, event))
            for place, route in enumerate(self._routes)
        ]

    def _is_unrouted(self, queue: str) -> bool:
        return queue == self._default and not any(route.queue == queue for route in self._routes)

    def _matching(self, event: Routable) -> list[Route]:
        candidates = self._candidates(event.kind, event.chain, event.entity)
        return [route for route in candidates if _size_mismatch(route.match, event) is None]

    def _find_candidates(self, kind: str, chain: str, entity: str) -> Sequence[Route]:
        # Names decide for most events, and there are fewer names than events: asked once for each.
        return [route for route in self._routes if name_mismatch(route.match, kind, chain, entity) is None]


def _is_mere_heartbeat(route: Route, event: Routable) -> bool:
    return event.reason == Reason.HEARTBEAT and Reason.HEARTBEAT not in (route.match.reason or ())


def _unasked(route: Route, event: Routable) -> str | None:
    is_for_queues = route.channel is None
    return "a queue gets heartbeats only by reason" if is_for_queues and _is_mere_heartbeat(route, event) else None


def mismatch(match: RouteMatch, event: Routable) -> str | None:
    """The first key of a match that an event does not fit, in words; None where all fit."""
    return name_mismatch(match, event.kind, event.chain, event.entity) or _size_mismatch(match, event)


def name_mismatch(match: RouteMatch, kind: str, chain: str, entity: str) -> str | None:
    """As `mismatch`, of what an entity's events all have in common."""
    if match.kind is not None and kind not in match.kind:
        return f"kind is {kind}, not {' or '.join(match.kind)}"
    if words := match.words:  # without any, the kind may be one that the settings no longer have
        if kind not in match.kinds:
            return f"kind is {kind}, and the route names a {' or a '.join(words)}"
        names = match.names_of(kind) or ()
        if not any(matches_glob(name, entity) for name in names):
            return f"{match.known[kind].entity} is {entity}, not {' or '.join(names)}"
    if match.chain is not None and not any(matches_glob(name, chain) for name in match.chain):
        return f"chain is {chain}, not {' or '.join(match.chain)}"
    return None


def _size_mismatch(match: RouteMatch, event: Routable) -> str | None:
    if match.severity is not None and SEVERITY_RANK[Severity(event.severity)] < SEVERITY_RANK[match.severity]:
        return f"severity is {event.severity}, less than {match.severity}"
    if match.reason is not None and event.reason not in match.reason:
        return f"reason is {event.reason}, not {' or '.join(match.reason)}"
    if match.market is not None and match.market is not (event.market is not None):
        return "it is part of a market-wide move" if event.market else "it is part of no market-wide move"
    if match.min_percent is not None and not moved_at_least(event, match.min_percent):
        moved = "there is no percentage" if event.change_pct is None else f"it moved by {event.change_pct} %"
        return f"{moved}, less than {match.min_percent} %"
    return None
