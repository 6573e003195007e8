"""The offered load: when each write is due, and whose rows it is about."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scenarios.scenario import SCENARIOS, Scenario
from loadtests.scenarios.schedule import due_times, entities_of, offered, user_count

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
STEADY, BURST, CRASH = SCENARIOS["steady"], SCENARIOS["burst"], SCENARIOS["crash"]


def all_due(scenario: Scenario, rate: float, seconds: float) -> list[float]:
    """The moments of all users' writes, in order."""
    users = user_count(scenario, rate)
    return sorted(moment for user in range(users) for moment in due_times(scenario, rate, seconds, user, users))


@each_scenario
def test_the_rate_is_what_was_asked_for(scenario: Scenario) -> None:
    rows = len(all_due(scenario, 1000, 30)) * scenario.rows_per_write
    assert rows == offered(scenario, 1000, 30) == 30_000


@each_scenario
def test_every_entity_belongs_to_one_user(scenario: Scenario) -> None:
    users = user_count(scenario, 3000)
    owned = [entity for user in range(users) for entity in entities_of(scenario, user, users)]
    assert sorted(owned) == sorted({f"p{number}" for number in range(scenario.entities)})


@each_scenario
def test_no_write_holds_an_entity_twice(scenario: Scenario) -> None:
    users = user_count(scenario, 100_000)
    assert min(len(entities_of(scenario, user, users)) for user in range(users)) >= scenario.rows_per_write


def test_steady_writes_are_evenly_spaced() -> None:
    due = all_due(STEADY, 100, 2)
    assert {round(after - before, 6) for before, after in itertools.pairwise(due)} == {0.01}


def test_a_burst_comes_in_the_first_second_of_three() -> None:
    due = all_due(BURST, 90, 6)
    assert {int(moment) for moment in due} == {0, 3}


def test_a_crash_moves_every_entity_in_one_write() -> None:
    assert CRASH.rows_per_write == CRASH.entities == len(entities_of(CRASH, 0, user_count(CRASH, 1000)))


@given(st.floats(1, 5000), st.integers(1, 20))
def test_sharing_the_schedule_among_users_changes_nothing_about_it(rate: float, users: int) -> None:
    alone = list(due_times(STEADY, rate, 1, 0, 1))
    shared = sorted(moment for user in range(users) for moment in due_times(STEADY, rate, 1, user, users))
    assert shared == alone


def test_a_burst_has_the_users_that_its_fastest_second_needs() -> None:
    assert user_count(BURST, 1000) == user_count(STEADY, 3000)
