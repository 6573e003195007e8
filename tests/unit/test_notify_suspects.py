"""A message about several entities that a service refuses: whom it refuses, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.notify.alert import Alert
from core.notify.answer import Accepted, Declined, Later
from core.notify.tellers.suspects import told_in_halves
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.notify.answer import Answer

REFUSED = Declined("HTTP 400")
ALERTS = [Alert(make_event(number, f"token{number % 16}"), f"{number}-0") for number in range(1, 65)]


def entities(alerts: Sequence[Alert]) -> set[str]:
    return {alert.event.data.entity for alert in alerts}


def told(refuses: set[str], *, most: int = 100) -> tuple[dict[Answer, set[str]], int]:
    """Whom each answer is about, and how many messages that took after the first."""
    messages: list[Sequence[Alert]] = []

    def tell(part: Sequence[Alert]) -> Answer | None:
        if len(messages) == most:
            return None
        messages.append(part)
        return REFUSED if entities(part) & refuses else Accepted()

    found: dict[Answer, set[str]] = {}
    for part, answer in told_in_halves(ALERTS, REFUSED, tell):
        assert list(part) == [alert for alert in ALERTS if alert.event.data.entity in entities(part)]
        found.setdefault(answer, set()).update(entities(part))
    return found, len(messages)


def test_all_are_told_but_for_the_entity_that_the_service_cannot_bear() -> None:
    everybody = entities(ALERTS)
    assert told({"token5"}) == ({Accepted(): everybody - {"token5"}, REFUSED: {"token5"}}, 8)


def test_a_service_that_refuses_everything_is_not_asked_again_and_again() -> None:
    assert told(entities(ALERTS)) == ({REFUSED: entities(ALERTS)}, 2)


@pytest.mark.parametrize("most", range(8))
def test_where_the_limit_leaves_no_message_what_is_left_is_refused_as_a_whole(most: int) -> None:
    found, messages = told({"token5"}, most=most)
    assert messages == most
    assert "token5" in found[REFUSED]
    assert set().union(*found.values()) == entities(ALERTS)


def test_what_is_too_much_at_once_is_told_in_parts() -> None:
    assert list(told_in_halves(ALERTS[:2], REFUSED, lambda _: Accepted())) == [
        (ALERTS[:1], Accepted()),
        (ALERTS[1:2], Accepted()),
    ]


def test_what_a_service_takes_later_is_kept_apart_from_what_it_refuses() -> None:
    later = Later("HTTP 500")
    answers: list[Answer] = [later, REFUSED]
    assert list(told_in_halves(ALERTS[:2], REFUSED, lambda _: answers.pop(0))) == [
        (ALERTS[:1], later),
        (ALERTS[1:2], REFUSED),
    ]
