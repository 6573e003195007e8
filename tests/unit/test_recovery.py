"""What a loop does about failures in a row: whom it tells, and how long it waits."""

from __future__ import annotations

import threading

import pytest

from core.errors import ConnectionLost, ServiceUnavailable, SinkUnavailable, StatementRefused
from core.services.circuit import CircuitBreaker
from core.services.recovery import Recovery
from core.settings.models import CircuitBreakerSettings
from rtp_client.backoff import Backoff
from tests.clock import Clock

AWAY = ServiceUnavailable("PostgreSQL", "host", "connection refused")
CUT = ConnectionLost("PostgreSQL", "host", "server closed the connection")
REFUSED = StatementRefused("PostgreSQL", "host", "permission denied for table cursor")
REFUSES = SinkUnavailable("SQS", "queue", "AccessDenied", is_service_down=False)


class Halt(threading.Event):
    """Notes the waits asked for instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


@pytest.fixture
def told() -> list[str]:
    """What the breaker told."""
    return []


@pytest.fixture
def circuit(clock: Clock, told: list[str]) -> CircuitBreaker:
    settings = CircuitBreakerSettings(failures=3, open_seconds=5)
    return CircuitBreaker("PostgreSQL", settings, on_problem=lambda problem: told.append(str(problem)), clock=clock)


@pytest.fixture
def recovery(circuit: CircuitBreaker) -> Recovery:
    return Recovery(circuit, Backoff(1, 60, uniform=lambda _, longest: longest))


def waits(recovery: Recovery) -> list[float]:
    """How long it would wait now."""
    halt = Halt()
    recovery.pause(halt)
    return halt.waits


def test_a_lost_connection_is_no_failure_of_the_service(recovery: Recovery, circuit: CircuitBreaker) -> None:
    recovery.failed(CUT)
    assert circuit.status().failures_in_a_row == 0


def test_after_a_lost_connection_the_next_is_made_at_once(recovery: Recovery) -> None:
    recovery.failed(CUT)
    assert waits(recovery) == []


def test_a_connection_lost_again_without_an_answer_between_is_one(recovery: Recovery, circuit: CircuitBreaker) -> None:
    for _ in range(2):
        recovery.failed(CUT)
        recovery.connected()
    assert (circuit.status().failures_in_a_row, waits(recovery)) == (1, [1])


def test_a_connection_lost_again_after_an_answer_is_none(recovery: Recovery, circuit: CircuitBreaker) -> None:
    for _ in range(2):
        recovery.failed(CUT)
        recovery.succeeded()
    assert circuit.status().failures_in_a_row == 0


def test_a_failure_to_connect_is_a_failure_of_the_service(recovery: Recovery, circuit: CircuitBreaker) -> None:
    recovery.failed(AWAY)
    assert circuit.status().failures_in_a_row == 1


def test_connecting_ends_an_outage_that_began_with_connecting(recovery: Recovery, circuit: CircuitBreaker) -> None:
    recovery.failed(AWAY)
    recovery.connected()
    assert circuit.status().failures_in_a_row == 0


def test_connecting_ends_no_outage_that_began_with_lost_connections(
    recovery: Recovery, circuit: CircuitBreaker
) -> None:
    recovery.failed(CUT)
    recovery.failed(AWAY)
    recovery.connected()
    assert circuit.status().failures_in_a_row == 1


def test_an_answer_ends_every_outage(recovery: Recovery, circuit: CircuitBreaker) -> None:
    recovery.failed(CUT)
    recovery.failed(AWAY)
    recovery.succeeded()
    assert (circuit.status().failures_in_a_row, waits(recovery)) == (0, [])


def test_each_failure_in_a_row_lengthens_the_wait(recovery: Recovery) -> None:
    recovery.failed(AWAY)
    first = waits(recovery)
    recovery.failed(AWAY)
    assert (first, waits(recovery)) == ([1], [2])


def test_an_open_breaker_paces_by_itself(recovery: Recovery) -> None:
    for _ in range(3):
        recovery.failed(AWAY)
    assert waits(recovery) == []


def test_a_service_that_refuses_one_loop_is_there_for_the_others(recovery: Recovery, circuit: CircuitBreaker) -> None:
    circuit.failed(AWAY)
    recovery.failed(REFUSES)
    assert (circuit.status().failures_in_a_row, waits(recovery)) == (0, [1])


def test_connecting_after_a_refused_statement_proves_nothing(recovery: Recovery) -> None:
    for _ in range(3):
        recovery.failed(REFUSED)
        recovery.connected()
    assert waits(recovery) == [4]


def test_a_refused_statement_opens_no_breaker(recovery: Recovery, circuit: CircuitBreaker) -> None:
    for _ in range(9):
        recovery.failed(REFUSED)
    assert circuit.is_closed


def test_a_refusal_and_its_end_are_told_once_for_all_loops(
    recovery: Recovery, circuit: CircuitBreaker, told: list[str]
) -> None:
    for one in (recovery, Recovery(circuit, recovery.backoff)):
        one.failed(REFUSED)
        one.failed(REFUSED)
    recovery.succeeded()
    assert told == [f"{REFUSED}. Trying again", "PostgreSQL: no longer refuses"]
