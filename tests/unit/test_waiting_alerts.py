"""What this process has read of an outbox: nothing of it passes anything of its own entity, whatever fails."""

from __future__ import annotations

from typing import Any

from core.notify.alert import Alert
from core.notify.choice.choose import Rules
from core.notify.tellers.retries import Patience, Retries
from core.notify.tellers.tenure import Tenure
from core.notify.tellers.waiting_alerts import WaitingAlerts
from tests.samples import make_event

NOW = 1_700_000_000.0


def alert(number: int, entity: str = "lido", **columns: Any) -> Alert:
    return Alert(make_event(number, entity, **columns), f"{int(NOW * 1000)}-{number}")


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
    tenure = Tenure(Retries(Patience()), Rules(), 0.0)
    tenure.add([first, second, other], "0-0")

    def next_alerts() -> list[Alert]:
        chosen, _ = tenure.begin_next(Rules(), NOW, at_once=2)
        return [] if chosen is None else list(chosen.alerts)

    assert [next_alerts(), next_alerts()] == [[first], [other]]
    tenure.put_back([first])
    tenure.messages -= 1
    assert next_alerts() == [first]
