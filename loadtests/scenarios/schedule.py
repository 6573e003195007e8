"""When each write is due, and which rows it is about: fixed before the first one is sent.

The offered load is open: a slow database makes writes late, it does not make them fewer (no coordinated omission).
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.scenarios.scenario import Scenario

_WRITES_PER_USER_PER_SECOND = 250  # more connections cost PostgreSQL more for the same writes
_MOST_USERS = 64


def user_count(scenario: Scenario, rate: float) -> int:
    """How many users (connections) share the writes: enough that none waits for itself on a healthy database.

    Every entity belongs to one user, so that a user never waits for another's row lock, and knows the order of its
    own writes; a write takes all its rows from its user's entities.
    """
    writes_per_second = rate / scenario.rows_per_write / scenario.busy_share
    wanted = round(writes_per_second / _WRITES_PER_USER_PER_SECOND) + 4
    return max(1, min(wanted, _MOST_USERS, scenario.entities // scenario.rows_per_write))


def due_times(scenario: Scenario, rate: float, seconds: float, user: int, users: int) -> Iterator[float]:
    """The moments, in seconds from the start, at which one of `users` writes."""
    writes_per_second = rate / scenario.rows_per_write
    for number in count(user, users):
        evenly = number / writes_per_second
        if evenly >= seconds:
            return
        period, within = divmod(evenly, scenario.period_seconds)
        yield period * scenario.period_seconds + within * scenario.busy_share


def entities_of(scenario: Scenario, user: int, users: int) -> list[str]:
    """The entities that belong to one of `users`."""
    return [f"p{number}" for number in range(user, scenario.entities, users)]


def offered(scenario: Scenario, rate: float, seconds: float) -> int:
    """How many rows the schedule offers in all."""
    return scenario.rows_per_write * sum(1 for _ in due_times(scenario, rate, seconds, 0, 1))
