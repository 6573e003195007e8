"""The circuit breaker: when calls go through, and what is said about an outage."""

from __future__ import annotations

import threading

import pytest

from core.errors import ServiceUnavailable, SinkUnavailable
from core.services.circuit import CircuitBreaker, CircuitState
from core.settings.models import CircuitBreakerSettings
from tests.clock import Clock

AWAY = ServiceUnavailable("Redis", "redis://host", "refused")


class Stopping(threading.Event):
    """Notes the waits asked for, and lets the clock run instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        self._clock.now += timeout or 0.0
        return self.is_set()


@pytest.fixture
def stopping(clock: Clock) -> Stopping:
    return Stopping(clock)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def circuit(clock: Clock, told: list[str]) -> CircuitBreaker:
    settings = CircuitBreakerSettings(failures=3, open_seconds=5)
    return CircuitBreaker("Redis", settings, on_problem=lambda problem: told.append(str(problem)), clock=clock)


def fail(circuit: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        circuit.failed(AWAY)


def test_it_starts_closed(circuit: CircuitBreaker) -> None:
    assert circuit.status().state is CircuitState.CLOSED


def test_a_few_failures_leave_it_closed(circuit: CircuitBreaker) -> None:
    fail(circuit, 2)
    assert circuit.status().state is CircuitState.CLOSED


def test_a_closed_circuit_lets_calls_through_at_once(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 2)
    assert (circuit.wait_for_turn(stopping), stopping.waits) == (True, [])


def test_enough_failures_in_a_row_open_it(circuit: CircuitBreaker) -> None:
    fail(circuit, 3)
    assert circuit.status().state is CircuitState.OPEN


def test_a_success_starts_the_count_anew(circuit: CircuitBreaker) -> None:
    fail(circuit, 2)
    circuit.succeeded()
    fail(circuit, 2)
    assert circuit.status().state is CircuitState.CLOSED


def test_an_open_circuit_lets_nobody_through_until_its_time(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 3)
    circuit.wait_for_turn(stopping)
    assert stopping.waits == [5.0]


def test_after_its_time_it_is_half_open(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 3)
    circuit.wait_for_turn(stopping)
    assert circuit.status().state is CircuitState.HALF_OPEN


def test_while_one_probes_the_others_wait(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 3)
    circuit.wait_for_turn(stopping)
    stopping.waits.clear()
    circuit.wait_for_turn(stopping)
    assert sum(stopping.waits) == pytest.approx(5.0, abs=0.1)  # then the probe counts as abandoned


def test_a_probe_that_succeeds_closes_it(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 3)
    circuit.wait_for_turn(stopping)
    circuit.succeeded()
    assert circuit.status().state is CircuitState.CLOSED


def test_a_probe_that_fails_opens_it_again(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 3)
    circuit.wait_for_turn(stopping)
    fail(circuit, 1)
    assert circuit.status().state is CircuitState.OPEN


def test_a_failure_that_was_under_way_when_it_opened_does_not_prolong_it(
    circuit: CircuitBreaker, clock: Clock, stopping: Stopping
) -> None:
    fail(circuit, 3)
    clock.now += 4
    fail(circuit, 1)
    circuit.wait_for_turn(stopping)
    assert stopping.waits == [1.0]


def test_a_stop_ends_the_wait(circuit: CircuitBreaker, stopping: Stopping) -> None:
    fail(circuit, 3)
    stopping.set()
    assert not circuit.wait_for_turn(stopping)


def test_an_outage_is_named_once_with_its_cause(circuit: CircuitBreaker, told: list[str]) -> None:
    fail(circuit, 10)
    assert [line for line in told if "Redis at" in line] == [
        "Redis at redis://host is not reachable: refused. Trying again"
    ]


def test_its_opening_is_told_once(circuit: CircuitBreaker, stopping: Stopping, told: list[str]) -> None:
    fail(circuit, 3)
    circuit.wait_for_turn(stopping)
    fail(circuit, 1)
    assert [line for line in told if "open" in line] == [
        "Redis: circuit open after 3 failures in a row, probing every 5 s"
    ]


def test_a_service_that_asks_to_be_left_alone_opens_it_for_as_long(
    circuit: CircuitBreaker, clock: Clock, stopping: Stopping, told: list[str]
) -> None:
    circuit.failed(SinkUnavailable("Webhook", "https://host", "it answers 429", silent_until=clock.now + 30))
    circuit.wait_for_turn(stopping)
    assert (told[1:], stopping.waits) == (["Redis: circuit open after 1 failure in a row, probing in 30 s"], [30.0])


def test_the_recovery_says_how_long_it_took(circuit: CircuitBreaker, clock: Clock, told: list[str]) -> None:
    fail(circuit, 1)
    clock.now += 12.34
    circuit.succeeded()
    assert told[-1] == "Redis: recovered after 12.3 s"


def test_a_service_that_never_failed_never_recovers(circuit: CircuitBreaker, told: list[str]) -> None:
    circuit.succeeded()
    assert told == []


def test_the_status_counts_how_often_it_opened(circuit: CircuitBreaker) -> None:
    for _ in range(2):
        fail(circuit, 3)
        circuit.succeeded()
    assert circuit.status().opened == 2
