"""Whether somebody listens to what the routes send to queues, and whether everybody has something to hear.

From the settings alone: two matches have something in common where one event could fit both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from core.routes.checking import contradictions, where_is
from rtp_client.event import Reason
from rtp_client.event_filter import SEVERITY_RANK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.settings.models import Settings
    from core.settings.notify import Audience
    from core.settings.routes import RouteMatch

_ALERTS = frozenset(Reason) - {Reason.HEARTBEAT}
"""What a queue gets, and an audience is told, where no reason is named."""


def find_unheard(settings: Settings) -> Iterator[str]:
    """A line for each audience that can hear nothing, and for each route to a queue that no audience listens to."""
    able = []
    for place, audience in enumerate(settings.notify):
        where = f"notify[{place}] ({audience.name})"
        if reasons := contradictions(audience.match, settings):
            yield f"{where} can never match: {'; '.join(reasons)}"
        elif audience.only_escalated and not _is_told_on(audience, settings):
            yield f"{where} matches nothing of what it is told on by {' and '.join(_tellers(audience, settings))}"
        elif not audience.only_escalated:
            able.append(audience)
    for place, route in enumerate(settings.routes if settings.notify else ()):
        if route.queue is None or contradictions(route.match, settings):
            continue
        if not any(have_in_common(route.match, audience.match, settings) for audience in able):
            yield f"{where_is(route, place)}: nobody under notify listens to its alerts. Add an audience, or widen one"


def _tellers(audience: Audience, settings: Settings) -> list[str]:
    return [one.name for one in settings.notify if audience.name in one.tells]


def _is_told_on(audience: Audience, settings: Settings) -> bool:
    tellers = [one for one in settings.notify if audience.name in one.tells]
    return any(have_in_common(one.match, audience.match, settings) for one in tellers)


def have_in_common(one: RouteMatch, other: RouteMatch, settings: Settings) -> bool:
    """Whether some watch can raise an event that fits both."""
    kinds = tuple(kind for kind in one.kinds if kind in other.kinds and _meet(one.names_of(kind), other.names_of(kind)))
    reasons = tuple(frozenset(one.reason or _ALERTS) & frozenset(other.reason or _ALERTS))
    is_torn = one.market is not None and other.market is not None and one.market is not other.market
    if not kinds or not reasons or is_torn or not _meet(one.chain, other.chain):
        return False
    severities = [match.severity for match in (one, other) if match.severity is not None]
    percents = [match.min_percent for match in (one, other) if match.min_percent is not None]
    both = {
        "kind": kinds,
        "reason": reasons,
        "severity": max(severities, key=SEVERITY_RANK.__getitem__, default=None),
        "min_percent": max(percents, default=None),
        "market": other.market if one.market is None else one.market,
    }
    return not any(contradictions(match.model_copy(update=both), settings) for match in (one, other))


def _meet(some: Sequence[str] | None, others: Sequence[str] | None) -> bool:
    return some is None or others is None or any(globs_meet(one, other) for one in some for other in others)


@lru_cache(maxsize=4096)
def globs_meet(one: str, other: str) -> bool:
    """Whether some name fits both of two names or globs."""
    # Of each beginning of the other, whether it can go with what is read of the one so far.
    row = [True] + [False] * len(other)
    for place, character in enumerate(other):
        row[place + 1] = row[place] and character == "*"
    for character in one:
        before, row = row, [character == "*" and row[0]]
        for place, its in enumerate(other):
            if "*" in (character, its):
                row.append(before[place + 1] or row[place] or before[place])
            else:
                row.append(before[place] and (character == its or "?" in (character, its)))
    return row[-1]
