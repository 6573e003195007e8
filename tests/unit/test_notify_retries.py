"""When a destination that failed is tried again, and when an alert is given up."""

from __future__ import annotations

from core.notify.alert import Alert
from core.notify.answer import Later
from core.notify.tellers.retries import Patience, Retries
from rtp_client.backoff import Backoff
from tests.samples import make_event

NOW = 1_700_000_000.0
PATIENCE = Patience(Backoff(1, 60, uniform=lambda _, bound: bound), max_attempts=3, give_up_after_seconds=600)
AWAY, BUSY = Later("no answer", is_away=True), Later("HTTP 500")


def alert(number: int, entity: str = "lido", *, age: float = 0.0) -> Alert:
    return Alert(make_event(number, entity), f"{int((NOW - age) * 1000)}-{number}")


def test_each_failure_in_a_row_doubles_the_wait_and_a_message_that_is_taken_ends_it() -> None:
    retries = Retries(PATIENCE)
    waits = []
    for _ in range(3):
        retries.failed(BUSY, NOW)
        waits.append(retries.retry_at - NOW)
    assert waits == [1, 2, 4]
    retries.accepted()
    assert (retries.failures, retries.retry_at) == (0, 0)


def test_a_service_is_not_asked_a_moment_sooner_than_it_asked_for() -> None:
    retries = Retries(PATIENCE)
    retries.failed(Later("HTTP 429", after_seconds=30), NOW)
    assert retries.retry_at - NOW == 31
    retries.failed(AWAY, NOW)  # another message was under way
    assert retries.retry_at - NOW == 31


def test_a_service_that_is_away_makes_no_dead_letter_before_the_time_to_give_up() -> None:
    retries, waiting = Retries(PATIENCE), alert(1, age=599)
    for tries in range(1, 50):
        assert retries.given_up([waiting], {waiting.place: tries}, NOW) == []
    assert retries.given_up([waiting], {waiting.place: 50}, NOW + 1) == [waiting]


def test_an_alert_that_fails_while_others_are_taken_is_given_up_after_its_last_attempt() -> None:
    retries, waiting = Retries(PATIENCE), alert(1)
    assert retries.given_up([waiting], {waiting.place: 1}, NOW) == []
    retries.accepted()
    assert retries.given_up([waiting], {waiting.place: 2}, NOW) == []
    assert retries.given_up([waiting], {waiting.place: 3}, NOW) == [waiting]


def test_only_a_message_that_may_be_to_blame_rests() -> None:
    retries = Retries(PATIENCE)
    assert retries.rest_seconds(BUSY, 1) == 2
    assert retries.rest_seconds(AWAY, 1) == 0
    assert retries.rest_seconds(Later("HTTP 429", after_seconds=5), 1) == 0
