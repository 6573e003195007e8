"""Which alerts go now, and in which messages: digests, quiet hours, limits, market-wide moves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kinds import MARKET
from core.notify.alert import Alert
from core.notify.choice.budget import budget_of
from core.notify.choice.choose import Rules, choose
from core.notify.trial.rehearsal import rehearse
from core.settings.rhythm import MessageLimit, Quiet
from rtp_client.event import Severity
from rtp_client.event_filter import SEVERITY_RANK
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Sequence

INFO, WARNING, CRITICAL = Severity
NOON = datetime(2026, 6, 2, 12, tzinfo=UTC).timestamp()
NIGHT = Quiet(time(22), time(7), "UTC", CRITICAL)
DIGEST = Rules(digest_seconds=30)
# Two at once, one of them for what is critical.
FOUR_A_MINUTE = Rules(budget=budget_of(MessageLimit(4, timedelta(minutes=1))))


def alert(
    number: int,
    entity: str = "",
    severity: Severity = WARNING,
    *,
    at: float = NOON,
    market: int | None = None,
    is_market: bool = False,
) -> Alert:
    """One that came at this time; `market` is the number of the market-wide move's event that it is part of."""
    row = {"kind": MARKET.name, "chain": "all"} if is_market else {}
    details = None if market is None else json.dumps({"market": make_event(market).id})
    event = make_event(number, entity or f"entity{number}", severity=str(severity), details=details, **row)
    return Alert(event, f"{int(at * 1000)}-{number}")


def at(clock: str) -> float:
    """Such a time on the second of June, by UTC's clocks."""
    return datetime.fromisoformat(f"2026-06-02T{clock}+00:00").timestamp()


def numbers(messages: Sequence[Sequence[Alert]]) -> list[list[int]]:
    return [[int(one.place.partition("-")[2]) for one in message] for message in messages]


def chosen(
    waiting: Sequence[Alert], rules: Rules | None = None, *, now: float = NOON, spent_until: float = 0
) -> list[list[int]]:
    return numbers(choose(waiting, rules or Rules(), spent_until=spent_until, now=now).messages)


def looks_at(waiting: Sequence[Alert], rules: Rules, *, now: float = NOON, spent_until: float = 0) -> float | None:
    choice = choose(waiting, rules, spent_until=spent_until, now=now)
    assert not choice.messages
    return choice.look_at


def test_where_nothing_waits_there_is_nothing_to_look_for() -> None:
    assert looks_at([], Rules(digest_seconds=30, quiet=NIGHT)) is None


def test_without_rules_each_alert_goes_alone_and_at_once() -> None:
    assert chosen([alert(1), alert(2), alert(3, "entity1")]) == [[1], [2], [3]]


def test_a_digest_gathers_from_its_first_alert_on() -> None:
    waiting = [alert(1), alert(2, at=NOON + 20)]
    assert looks_at(waiting, DIGEST, now=NOON + 29) == NOON + 30


def test_a_digest_is_one_message() -> None:
    assert chosen([alert(1), alert(2), alert(3, at=NOON + 29)], DIGEST, now=NOON + 30) == [[1, 2, 3]]


def test_what_is_critical_waits_for_no_digest() -> None:
    assert chosen([alert(1), alert(2, severity=CRITICAL)], DIGEST) == [[2]]


def test_what_is_critical_takes_along_what_its_entity_has_before_it_and_nothing_else() -> None:
    waiting = [alert(1, "lido"), alert(2, "aave"), alert(3, "lido", CRITICAL), alert(4, "lido")]
    assert chosen(waiting, DIGEST) == [[1, 3]]


def test_in_quiet_hours_nothing_is_told_before_they_end() -> None:
    waiting = [alert(1, at=at("21:59")), alert(2, at=at("22:30"))]
    assert looks_at(waiting, Rules(quiet=NIGHT), now=at("23:00")) == at("07:00") + 86_400


def test_quiet_hours_let_through_what_they_are_said_to_and_what_its_entity_has_before_it() -> None:
    waiting = [alert(1, "lido"), alert(2, "aave"), alert(3, "lido", CRITICAL)]
    assert chosen(waiting, Rules(quiet=NIGHT), now=at("23:00")) == [[1, 3]]


def test_after_quiet_hours_what_has_come_in_them_is_one_message() -> None:
    waiting = [alert(1, at=at("06:00")), alert(2, at=at("06:59")), alert(3, at=at("07:00"))]
    assert chosen(waiting, Rules(quiet=NIGHT), now=at("07:00")) == [[1, 2], [3]]


def test_quiet_hours_without_exemption_hold_what_is_critical_too() -> None:
    always = Rules(quiet=Quiet(time(22), time(7), "UTC"))
    assert looks_at([alert(1, severity=CRITICAL, at=at("23:00"))], always, now=at("23:00")) is not None


def test_within_the_limit_each_goes_alone() -> None:
    twenty = Rules(budget=budget_of(MessageLimit(20, timedelta(minutes=1))))
    assert chosen([alert(number) for number in range(8)], twenty) == [[number] for number in range(8)]


def test_where_more_messages_are_needed_than_are_left_all_is_one_message() -> None:
    assert chosen([alert(1), alert(2)], FOUR_A_MINUTE) == [[1, 2]]


def test_where_that_is_so_for_what_is_critical_the_rest_goes_with_it() -> None:
    waiting = [alert(1), alert(2, severity=CRITICAL), alert(3, severity=CRITICAL), alert(4, severity=CRITICAL)]
    assert chosen(waiting, FOUR_A_MINUTE) == [[1, 2, 3, 4]]


def test_a_crash_becomes_no_more_messages_than_the_limit_allows_and_what_is_critical_is_told_at_once() -> None:
    crash = [
        alert(number, f"entity{number % 300}", CRITICAL if number % 100 == 50 else WARNING, at=NOON + number / 2000)
        for number in range(2000)
    ]
    messages = list(rehearse(crash, Rules(budget=budget_of(MessageLimit(20, timedelta(minutes=1))))))
    assert sum(len(message.alerts) for message in messages) == 2000
    assert len(messages) <= 20
    assert messages[-1].at < NOON + 60
    first = next(one for one in messages if any(alert.event.data.severity is CRITICAL for alert in one.alerts))
    assert first.at < NOON + 1


def test_where_the_limit_leaves_nothing_it_says_when_it_does() -> None:
    spent_until = FOUR_A_MINUTE.budget.spend(0, NOON)
    assert looks_at([alert(1)], FOUR_A_MINUTE, spent_until=spent_until) == pytest.approx(NOON + 20, abs=0.01)


def test_a_part_of_the_limit_is_kept_for_what_is_critical() -> None:
    spent_until = FOUR_A_MINUTE.budget.spend(0, NOON)
    assert chosen([alert(1), alert(2, severity=CRITICAL)], FOUR_A_MINUTE, spent_until=spent_until) == [[2]]


def test_a_market_wide_move_is_one_message_with_its_members_that_wait() -> None:
    waiting = [alert(1, market=2), alert(2, is_market=True), alert(3), alert(4, market=2)]
    assert chosen(waiting) == [[1, 2, 4], [3]]


def test_a_critical_market_wide_move_takes_its_members_out_of_a_digest() -> None:
    waiting = [alert(1), alert(2, market=3), alert(3, severity=CRITICAL, is_market=True)]
    assert chosen(waiting, DIGEST) == [[2, 3]]


def test_members_that_come_after_the_market_wide_move_was_told_are_one_message() -> None:
    assert chosen([alert(1, market=7), alert(2), alert(3, market=7)]) == [[1, 3], [2]]


# Whatever waits, whenever it is.


@st.composite
def waiting_alerts(draw: st.DrawFn) -> list[Alert]:
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.sampled_from(Severity),
                st.integers(0, 86_400),
                st.none() | st.integers(1, 3),
                st.booleans(),
            ),
            max_size=25,
        )
    )
    arrivals = sorted(seconds for _, _, seconds, _, _ in drawn)
    return [
        alert(number, f"entity{entity}", severity, at=NOON + seconds, market=market, is_market=is_market)
        for number, ((entity, severity, _, market, is_market), seconds) in enumerate(zip(drawn, arrivals, strict=True))
    ]


limits = st.none() | st.builds(
    MessageLimit, st.integers(1, 50), st.sampled_from([timedelta(minutes=1), timedelta(hours=1)])
)
clocks = st.sampled_from([time(0), time(6, 30), time(12), time(13), time(22)])
quiets = st.none() | st.builds(
    Quiet, clocks, clocks, st.just("Europe/Zurich"), st.sampled_from([None, CRITICAL])
).filter(lambda quiet: quiet.begins != quiet.ends)
rules = st.builds(Rules, st.sampled_from([0.0, 30.0, 3600.0]), quiets, limits.map(budget_of))
nows = st.integers(0, 2 * 86_400).map(lambda seconds: NOON + seconds)


@given(waiting_alerts(), rules, nows, st.integers(-100, 2000))
def test_each_entity_is_told_in_order_and_nothing_twice(
    waiting: list[Alert], rules: Rules, now: float, spent: int
) -> None:
    told = [one for message in choose(waiting, rules, spent_until=now + spent, now=now).messages for one in message]
    for entity in {one.event.partitionkey for one in told}:
        of_entity = [one for one in waiting if one.event.partitionkey == entity]
        told_of_it = [one for one in told if one.event.partitionkey == entity]
        assert told_of_it == of_entity[: len(told_of_it)]


@given(waiting_alerts(), rules, nows, st.integers(-100, 2000))
def test_no_more_messages_are_chosen_than_the_budget_has(
    waiting: list[Alert], rules: Rules, now: float, spent: int
) -> None:
    messages = choose(waiting, rules, spent_until=now + spent, now=now).messages
    assert len(messages) <= rules.budget.left(now + spent, now, is_critical=True)


@given(waiting_alerts(), rules, nows, st.integers(-100, 2000))
def test_whoever_looks_when_told_to_tells_all_in_the_end(
    waiting: list[Alert], rules: Rules, now: float, spent: int
) -> None:
    spent_until, looks = now + spent, 0
    while waiting:
        choice = choose(waiting, rules, spent_until=spent_until, now=now)
        for message in choice.messages:
            spent_until = rules.budget.spend(spent_until, now)
            waiting = [one for one in waiting if one not in message]
        if not choice.messages:
            assert choice.look_at is not None
            assert choice.look_at > now
            now = choice.look_at
        assert (looks := looks + 1) < 100


@given(waiting_alerts(), rules, nows)
def test_what_is_critical_goes_at_once_unless_it_is_quiet_or_the_budget_is_spent(
    waiting: list[Alert], rules: Rules, now: float
) -> None:
    critical = [one for one in waiting if one.event.data.severity is CRITICAL]
    if critical and (rules.quiet is None or rules.quiet.unless):
        first, *_ = choose(waiting, rules, spent_until=0, now=now).messages
        assert critical[0] in first or SEVERITY_RANK[first[-1].event.data.severity] == SEVERITY_RANK[CRITICAL]
