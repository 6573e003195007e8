"""How often people are told: a limit as a budget, and what services take where nothing is said."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.notify.choice.budget import UNLIMITED, budget_of
from core.notify.choice.limits import LIMITED, limit_of
from core.notify.service.apprise_service import AppriseService
from core.notify.service.plugins import plugin_class
from core.settings.notify import Audience, NotifyDestination
from core.settings.rhythm import MessageLimit, read_limit

MINUTE = timedelta(minutes=1)


@given(st.integers(1, 60), st.lists(st.floats(0, 30) | st.just(0.0), min_size=1, max_size=200))
def test_no_stretch_of_time_sees_more_than_the_limit_however_eager_one_is(messages: int, pauses: list[float]) -> None:
    budget = budget_of(MessageLimit(messages, MINUTE))
    now, spent_until, sent = 0.0, 0.0, list[float]()
    for pause in pauses:
        now = max(now + pause, budget.free_at(spent_until, now + pause, is_critical=True))
        spent_until = budget.spend(spent_until, now)
        sent.append(now)
    assert all(later - first > 60 - 1e-6 for first, later in zip(sent, sent[messages:], strict=False))


def test_a_burst_is_followed_by_a_message_now_and_then_and_not_by_silence() -> None:
    budget = budget_of(MessageLimit(20, MINUTE))
    spent_until = 0.0
    for _ in range(10):
        spent_until = budget.spend(spent_until, 0)
    assert budget.free_at(spent_until, 0, is_critical=True) == pytest.approx(60 / 11, abs=0.01)


def test_what_is_not_critical_leaves_some_for_what_is() -> None:
    budget = budget_of(MessageLimit(20, MINUTE))
    assert (budget.left(0, 0, is_critical=False), budget.left(0, 0, is_critical=True)) == (8, 10)


def test_one_message_at_a_time_keeps_none() -> None:
    assert budget_of(MessageLimit(1, MINUTE)).left(0, 0, is_critical=False) == 1


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    budget = budget_of(MessageLimit(20, MINUTE))
    assert budget.free_at(3600, 0, is_critical=True) == 0


def test_without_a_limit_there_is_always_one_more() -> None:
    spent_until = UNLIMITED.spend(0, 0)
    assert UNLIMITED.left(spent_until, 0, is_critical=False) > 1_000_000


@pytest.mark.parametrize(
    ("address", "limit"),
    [
        ("tgram://123456789:abcdefg_hijklmnop/12345", "20/min"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "30/min"),
        ("mailtos://user:password@example.org", "30/h"),
        ("opsgenie://a-key-of-theirs", "100/min"),
        ("json://127.0.0.1:9000/x", None),
        ("gotify://localhost/0123456789abcde", "20/min"),
    ],
)
@pytest.mark.no_cover  # others cover it, and followed it takes twice as long
def test_a_service_that_is_well_known_has_a_limit_of_its_own(address: str, limit: str | None) -> None:
    desk = Audience.model_validate({"name": "desk", "to": address})
    with closing(AppriseService(address, place="desk/1", timeout_seconds=1)) as service:
        assert limit_of(desk.to[0], desk, service.scheme) == (limit and read_limit(limit))


def test_every_service_with_a_limit_of_its_own_is_one_of_apprises() -> None:
    assert [scheme for scheme in LIMITED if plugin_class(scheme) is None] == []


def test_the_destinations_own_limit_comes_before_the_audiences_and_that_before_the_services() -> None:
    own, unsaid = NotifyDestination(url="tgram://a/b", limit="off"), NotifyDestination(url="tgram://a/b")
    desk = Audience.model_validate({"name": "desk", "to": "tgram://a/b", "limit": "5/h"})
    assert [limit_of(one, desk, "tgram") for one in (own, unsaid)] == [None, MessageLimit(5, timedelta(hours=1))]
