"""What is said of a watch that is not armed: at once, now and then meanwhile, with each new cause, and at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.arming.alarm import ArmingAlarm
from core.arming.look import WatchArming
from core.arming.obstacle import Obstacle
from tests.clock import Clock

INSTALLED_AT = datetime(2026, 1, 1, tzinfo=UTC)
ARMED = WatchArming("prices", "public.prices", INSTALLED_AT, ())
GONE = WatchArming("prices", "public.prices", INSTALLED_AT, (Obstacle("gone", "", [""]),))
RENAMED = WatchArming("prices", "public.prices", INSTALLED_AT, (Obstacle("renamed", "public.old", [""]),))
INSTALLED_AGAIN = WatchArming("prices", "public.prices", INSTALLED_AT + timedelta(hours=1), ())


class Told:
    """An alarm, and what it has said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.clock = Clock()
        self.alarm = ArmingAlarm(lambda problem: self.lines.append(str(problem)), clock=self.clock)

    def after(self, seconds: float, *watches: WatchArming) -> list[str]:
        """What a look says that comes so much later."""
        self.lines.clear()
        self.clock.now += seconds
        for watch in self.alarm.note(watches):
            self.alarm.ended(watch, None)
        return self.lines


def test_nothing_is_said_of_an_armed_watch() -> None:
    assert Told().after(2, ARMED) == []


def test_it_is_said_at_once() -> None:
    assert Told().after(2, GONE) == [str(GONE)]


def test_it_is_said_once_in_ten_minutes() -> None:
    told = Told()
    said = [len(told.after(2, GONE)) for _ in range(301)]
    assert (said[0], said[300], sum(said)) == (1, 1, 2)


def test_another_cause_is_said_at_once() -> None:
    told = Told()
    told.after(2, GONE)
    assert told.after(2, RENAMED) == [str(RENAMED)]


def test_its_end_tells_for_how_long_writes_may_have_been_missed_since_the_last_look_at_the_armed_watch() -> None:
    told = Told()
    told.after(2, ARMED)
    told.after(2, GONE)
    assert told.after(5, ARMED) == [
        "watch prices is armed again, after up to 7.0 s. What was written meanwhile may not have been judged:"
        " `rtp install-triggers` judges what its table holds, triggers.rearm does so at once"
    ]


def test_an_installation_in_between_has_seen_to_what_was_missed() -> None:
    told = Told()
    told.after(2, GONE)
    (line,) = told.after(2, INSTALLED_AGAIN)
    assert line.endswith("`rtp install-triggers` has taken in what its table held by then")


def test_a_watch_that_is_taken_out_is_no_trouble_any_more() -> None:
    told = Told()
    told.after(2, GONE)
    assert told.after(2) == []
    assert told.alarm.since() == {}
