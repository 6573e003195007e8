"""Work in parts: one that fails stops no other, is told once, and is tried again at its own pace."""

from __future__ import annotations

import pytest

from core.errors import ServiceUnavailable, SettingsError
from core.handler.attempts import Attempts, Part
from core.handler.rest import Rest
from core.trouble import Troubles
from rtp_client.backoff import Backoff
from rtp_client.errors import RtpError


class Bench:
    """Two parts, `failing` of which fail, and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.failing: dict[str, RtpError] = {}
        self.tried: list[str] = []
        self.told: list[str] = []
        self.troubles = Troubles()
        self.attempts = Attempts(
            Backoff(1.0, 60.0, uniform=lambda _, most: most),
            self.troubles,
            lambda problem: self.told.append(str(problem)),
            clock=lambda: self.now,
        )

    def run(self) -> int:
        return self.attempts.run([Part("a", lambda: self.work("a")), Part("b", lambda: self.work("b"))])

    def work(self, name: str) -> int:
        self.tried.append(name)
        if name in self.failing:
            raise self.failing[name]
        return 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


AWAY = ServiceUnavailable("DynamoDB", "there", "away")


def test_a_part_that_fails_stops_no_other_and_is_a_trouble_until_it_works(bench: Bench) -> None:
    bench.failing["a"] = AWAY
    assert (bench.run(), [trouble.part for trouble in bench.troubles.current()]) == (1, ["a"])
    bench.failing.clear()
    bench.now = 1
    assert (bench.run(), bench.troubles.current()) == (2, [])
    assert bench.told == ["a: DynamoDB at there is not reachable: away. Trying again", "a: read again"]


def test_a_part_that_fails_is_tried_ever_more_seldom_and_told_once(bench: Bench) -> None:
    bench.failing["a"] = AWAY
    for now in (0, 0.5, 1, 2, 2.9, 3):
        bench.now = now
        bench.run()
    assert (bench.tried.count("a"), bench.tried.count("b"), len(bench.told)) == (3, 6, 1)


def test_where_nothing_works_that_is_no_part_s_own_trouble(bench: Bench) -> None:
    bench.failing |= {"a": AWAY, "b": SettingsError("no table b")}
    for _ in range(2):  # the caller paces the tries
        with pytest.raises(ServiceUnavailable):
            bench.run()
    assert (bench.tried, bench.told, bench.troubles.current()) == (["a", "b", "a", "b"], [], [])


def test_a_mistake_in_the_settings_is_not_waited_for(bench: Bench) -> None:
    bench.failing["b"] = SettingsError("no table b")
    bench.run()
    assert (bench.attempts.is_waiting, bench.attempts.never_worked) == (False, {"b"})
    bench.failing["a"] = AWAY
    with pytest.raises(ServiceUnavailable):
        bench.run()


def test_a_queue_that_fails_is_left_alone_for_twice_as_long_each_time_up_to_a_minute() -> None:
    now, pauses = [0.0], list[float]()
    rest = Rest(clock=lambda: now[0])
    for _ in range(8):
        rest.failed()
        begun = now[0]
        while not rest.is_over:
            now[0] += 1
        pauses.append(now[0] - begun)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    rest.succeeded()
    rest.failed()
    now[0] += 1
    assert rest.is_over


def test_where_nothing_fits_the_settings_any_more_that_did_it_goes_on(bench: Bench) -> None:
    bench.run()
    bench.failing |= {"a": SettingsError("no table a"), "b": SettingsError("no stream of table b")}
    assert (bench.run(), len(bench.troubles.current())) == (0, 2)
    bench.failing.clear()
    bench.now = 1
    assert (bench.run(), bench.troubles.current()) == (2, [])


def test_where_nothing_has_ever_fitted_the_settings_that_is_the_end(bench: Bench) -> None:
    bench.failing |= {"a": SettingsError("no table a"), "b": SettingsError("no stream of table b")}
    with pytest.raises(SettingsError, match="no table a"):
        bench.run()
