"""When a destination that failed is tried again, and when an alert is given up."""

from __future__ import annotations

from typing import Any

from core.notify.alert import Alert
from core.notify.answer import Later
from core.notify.choice.choose import Rules
from core.notify.tellers.retries import Patience, Retries
from core.notify.tellers.tenure import Tenure
from core.notify.tellers.waiting_alerts import WaitingAlerts
from rtp_client.backoff import Backoff
from tests.samples import make_event

NOW = 1_700_000_000.0
PATIENCE = Patience(Backoff(1, 60, uniform=lambda _, bound: bound), max_attempts=3, give_up_after_seconds=600)
AWAY, BUSY = Later("no answer", is_away=True), Later("HTTP 500")


def alert(number: int, entity: str = "lido", *, age: float = 0.0, **columns: Any) -> Alert:
    return Alert(make_event(number, entity, **columns), f"{int((NOW - age) * 1000)}-{number}")


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


def test_nothing_passes_what_is_under_way_or_rests_of_its_own_entity() -> None:
    one, other, later = alert(1), alert(2, "aave"), alert(3)
    waiting = WaitingAlerts()
    waiting.add([one, other, later])
    waiting.begin([one])
    assert waiting.free(NOW) == [other]
    waiting.put_back([one], rest_until=NOW + 5)
    assert waiting.free(NOW) == [other]
    assert waiting.rests_end() == NOW + 5
    assert waiting.free(NOW + 5) == [one, other, later]
    waiting.done([one])
    assert waiting.free(NOW + 5) == [other, later]
    assert waiting.behind == later.place


def test_no_more_is_read_than_there_is_room_for() -> None:
    waiting = WaitingAlerts(most=2)
    first, second = alert(1), alert(2)
    waiting.add([first, second])
    assert waiting.is_full
    waiting.done([first])
    assert not waiting.is_full


def test_what_must_not_wait_is_found_beyond_what_there_is_room_for_and_takes_along_what_its_entity_has_before_it() -> (
    None
):
    first, second = alert(1, "a"), alert(2, "b")
    passed, before, critical = alert(3, "c"), alert(4, "d"), alert(5, "d", severity="critical")
    waiting = WaitingAlerts(most=2, hurries=Rules().hurries)
    waiting.add([first, second])
    assert waiting.reads_behind == second.place
    assert not waiting.add_what_hurries([passed, before], before=[])
    assert waiting.reads_behind == before.place
    assert waiting.places_before([critical]) == [before.place]
    assert waiting.add_what_hurries([critical], before=[before])
    assert waiting.free(NOW) == [first, second, before, critical]
    waiting.done([first, second, before, critical])
    assert waiting.reads_behind == second.place
    waiting.add([passed])
    assert waiting.free(NOW) == [passed]


def test_what_failed_goes_before_what_had_been_chosen_to_follow_it() -> None:
    first, second, other = alert(1), alert(2), alert(3, "aave")
    tenure = Tenure(Retries(PATIENCE), Rules(), 0.0)
    tenure.add([first, second, other], "0-0")

    def next_alerts() -> list[Alert]:
        chosen, _ = tenure.begin_next(Rules(), NOW, at_once=2)
        return [] if chosen is None else list(chosen.alerts)

    assert [next_alerts(), next_alerts()] == [[first], [other]]
    tenure.put_back([first])
    tenure.messages -= 1
    assert next_alerts() == [first]
