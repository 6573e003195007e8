"""In a wave the others wait for the sink that goes first, and for no longer than it takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.processor.precedence import Precedence


@contextmanager
def waiting(precedence: Precedence) -> Iterator[threading.Thread]:
    """A thread that waits for the first one."""
    waiter = threading.Thread(target=precedence.wait, daemon=True)
    waiter.start()
    yield waiter
    waiter.join(10)
    assert not waiter.is_alive()


@pytest.fixture
def longest_seconds(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long is waited at most: longer than a test takes."""
    monkeypatch.setattr("core.processor.precedence._LONGEST_SECONDS", 3600.0)
    return 3600.0


@pytest.fixture
def patient(longest_seconds: float) -> Precedence:
    """Where nobody gives up."""
    return Precedence()


def test_nobody_waits_where_nobody_has_begun(patient: Precedence) -> None:
    with waiting(patient):
        pass


def test_the_others_wait_until_the_first_one_ends(patient: Precedence) -> None:
    patient.begin()
    with waiting(patient) as waiter:
        waiter.join(0.05)
        assert waiter.is_alive()
        patient.end()


def test_who_begins_again_at_once_is_waited_for_no_more(patient: Precedence) -> None:
    patient.begin()
    with waiting(patient) as waiter:
        waiter.join(0.05)
        patient.end()
        patient.begin()


def test_who_begins_once_more_before_the_end_is_waited_for_from_the_first_time_on(longest_seconds: float) -> None:
    now = 0.0
    precedence = Precedence(clock=lambda: now)
    precedence.begin()
    now = longest_seconds
    precedence.begin()
    with waiting(precedence):
        pass


def test_a_long_backlog_of_the_first_one_is_not_waited_for() -> None:
    precedence = Precedence()
    precedence.begin()
    with waiting(precedence):
        pass
