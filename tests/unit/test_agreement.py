"""Agreement: what several sources of an entity must say together before anything is reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.detection.agreement import agreed_value, fresh
from core.detection.detector import Detector
from core.detection.memory import Agreement, Apart, LastWord, RuleMemory, memory_of, memory_text
from core.detection.report import Report
from core.detection.state import Judgement, Sample
from core.settings.agree import MOST_SOURCES, Agree
from rtp_client.event import Severity
from tests.watches import value_watch

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = ("ethereum", "usdc")
COLUMNS = {"token": "token", "chain": "chain", "value": "value", "changed_at": "changed_at", "source": "venue"}
LONG = {"sources": 2, "within": "30m", "disagree_for": "10m"}


class Sources:
    """An entity of several sources; each word is `source value`, in minutes from noon on."""

    def __init__(self, agree: Any = 2, **rules: Any) -> None:
        watch = value_watch("price", **{"shape": "history", "columns": COLUMNS, "agree": agree, **rules})
        self.detector = Detector(watch)

    def say(self, minute: float, word: str) -> Judgement:
        source, value = word.split()
        number = None if value == "null" else Decimal(value)
        return self.detector.judge(KEY, Sample(number, NOON + MINUTE * minute, source=source))

    def told(self, *words: tuple[float, str]) -> list[str | None]:
        """What each word is told as."""
        return [_in_short(self.say(minute, word).report) for minute, word in words]

    def told_by_time(self, until_minute: float) -> list[str | None]:
        found = self.detector.wait(KEY, NOON + MINUTE * until_minute)
        return [_in_short(judgement.report) for judgement, _ in found]

    @property
    def agreement(self) -> Agreement:
        found = self.detector.states[KEY].memory.agreement
        assert found is not None
        return found


def _in_short(report: Report | None) -> str | None:
    return None if report is None else f"{report.reason} {report.previous} {report.current}"


@pytest.mark.parametrize(
    "rules", [{"cooldown": "10m"}, {"glitch_guard": {"factor": 1.05, "confirmations": 5, "release_after": "10m"}}]
)
def test_what_waits_for_a_time_is_not_told_by_a_source_alone(rules: dict[str, Any]) -> None:
    sources = Sources({"sources": 2, "within": "2m"}, percent=5, **rules)
    sources.told((0, "a 1"), (0, "b 1"), (1, "a 1.1"), (1, "b 1.1"), (2, "a 1.3"), (2, "b 1.3"))
    sources.told((9, "a 7"))
    assert sources.told_by_time(30) == []


def test_the_value_of_an_hour_ago_is_what_they_agreed_on_then() -> None:
    sources = Sources({"sources": 2, "within": "5m"}, percent=1000, moves=[{"over": "1h", "percent": 5}])
    sources.told((0, "a 1"), (1, "b 1"), (3, "a 1"), (4, "b 1.03"), (5, "a 1.03"))
    # A source alone says nothing: the value of minute 5 is still of minute 5.
    assert not any(sources.told((50, "a 1.03"), (66, "a 1.07"), (67, "b 1.07")))


def test_one_source_alone_reports_nothing() -> None:
    assert Sources().told((0, "a 100"), (0.1, "b 100"), (0.2, "a 50"), (0.3, "a 40")) == [None] * 4


def test_a_deviation_is_reported_once_two_say_so_as_far_as_both_do() -> None:
    told = Sources().told((0, "a 100"), (0.1, "b 100"), (0.2, "a 50"), (0.3, "b 60"))
    assert told == [None, None, None, "deviation 100 60"]


def test_two_that_deviate_in_opposite_ways_do_not_agree() -> None:
    assert Sources().told((0, "a 100"), (0.1, "b 100"), (0.2, "a 120"), (0.3, "b 80")) == [None] * 4


def test_of_three_the_value_is_the_median() -> None:
    told = Sources().told((0, "a 100"), (0, "b 100"), (0, "c 100"), (0.2, "a 1"), (0.3, "b 90"), (0.4, "c 80"))
    assert told == [None, None, None, None, "deviation 100 90", "deviation 90 80"]


def test_two_of_four_are_not_more_than_half() -> None:
    words = ((0, "a 100"), (0, "b 100"), (0, "c 100"), (0, "d 100"), (0.2, "a 90"), (0.3, "b 90"), (0.4, "c 90"))
    assert Sources().told(*words) == [None] * 6 + ["deviation 100 90"]


def test_who_is_silent_for_longer_than_within_neither_reports_nor_blocks() -> None:
    sources = Sources()
    sources.told((0, "a 100"), (0, "b 100"), (0, "c 100"))
    assert sources.told((2, "a 90"), (3.5, "b 90"), (3.6, "c 90")) == [None, None, "deviation 100 90"]


def test_a_source_that_says_null_says_nothing() -> None:
    assert Sources().told((0, "a 100"), (0, "b 100"), (0.1, "b null"), (0.2, "a 90"), (0.3, "b 90")) == [
        None,
        None,
        None,
        None,
        "deviation 100 90",
    ]


def test_the_first_sighting_is_the_first_agreement() -> None:
    sources = Sources(emit_first=True)
    assert sources.told((0, "a 100"), (2, "b 90"), (2.1, "a 90")) == [None, None, "first_seen None 90"]


def test_a_sample_is_late_by_its_own_sources_time() -> None:
    sources = Sources()
    sources.told((0, "a 100"), (0.5, "b 100"))
    assert [sources.say(minute, word).note for minute, word in ((0.2, "a 90"), (0.4, "b 90"), (0.5, "b 100"))] == [
        None,
        "late",
        "duplicate",
    ]


PEGGED = {"percent": 50, "peg": {"deviation_bps": 50}}


def test_a_depeg_and_its_end_need_two() -> None:
    sources = Sources(**PEGGED)
    words = ((0, "a 1"), (0, "b 1"), (0.1, "a 0.99"), (0.2, "b 0.993"), (0.3, "b 1"), (0.4, "a 1"))
    assert sources.told(*words) == [None, None, None, "depeg 1 0.993", None, "repeg 0.993 1"]


def test_a_depeg_tells_who_said_what() -> None:
    sources = Sources(**PEGGED)
    sources.told((0, "c 1"), (2, "a 1"), (2, "b 1"), (2.1, "a 0.99"))
    report = sources.say(2.2, "b 0.95").report
    assert report is not None
    assert report.details["sources"] == {"a": "0.99", "b": "0.95"}


def test_a_depeg_that_waits_is_told_by_time_while_enough_are_fresh() -> None:
    peg = {"deviation_bps": 50, "for": "5m"}
    for within, told in (("10m", ["depeg 1 0.99"]), ("1m", [])):
        sources = Sources({"sources": 2, "within": within}, percent=50, peg=peg)
        sources.told((0, "a 1"), (0, "b 1"), (0.1, "a 0.99"), (0.2, "b 0.99"))
        assert sources.told_by_time(60) == told


def test_sources_that_are_apart_for_so_long_disagree() -> None:
    sources = Sources(LONG, percent=2)
    assert sources.told((0, "a 100"), (0, "b 100"), (1, "a 90"), (10.9, "a 90"), (11, "a 90")) == [
        *[None] * 4,
        "disagreed 100 100",
    ]


def test_a_disagreement_is_told_without_another_sample() -> None:
    sources = Sources(LONG, percent=2)
    sources.told((0, "a 100"), (0, "b 100"), (1, "a 90"))
    assert sources.told_by_time(60) == ["disagreed 100 100"]


def test_the_end_of_a_disagreement_is_told_when_half_of_it_is_left() -> None:
    sources = Sources(LONG, percent=2)
    sources.told((0, "a 100"), (0, "b 100"), (1, "a 97"), (11, "a 97"))
    assert sources.told((12, "a 98.5")) == [None]
    report = sources.say(13, "a 99.5").report
    assert report is not None
    assert (report.reason, report.duration_seconds, report.severity) == ("agreed", 720, Severity.WARNING)


def test_a_shorter_disagreement_is_none() -> None:
    assert (
        Sources(LONG, percent=2).told((0, "a 100"), (0, "b 100"), (1, "a 97"), (10, "a 99"), (12, "a 97")) == [None] * 5
    )


def test_what_they_agree_on_is_told_before_that_they_do() -> None:
    sources = Sources(LONG, percent=2)
    sources.told((0, "a 100"), (0, "b 100"), (1, "a 90"), (11, "a 90"))
    assert sources.told((12, "b 90")) == ["deviation 100 90"]
    assert sources.told_by_time(13) == ["agreed 90 90"]


def test_disagreement_does_not_move_the_baseline() -> None:
    sources = Sources(LONG, percent=2)
    sources.told((0, "a 100"), (0, "b 100"), (1, "a 90"))
    reported_at = sources.detector.states[KEY].reported_at
    sources.told((11, "a 90"))
    assert sources.detector.states[KEY].reported_at == reported_at


def test_so_many_sources_are_remembered_the_ones_heard_last() -> None:
    sources = Sources()
    for number in range(MOST_SOURCES + 3):
        sources.say(number / 100, f"s{number} 100")
    assert list(sources.agreement.said) == [f"s{number}" for number in range(3, MOST_SOURCES + 3)]


def test_what_is_remembered_survives_its_spelling() -> None:
    said = {"a": LastWord(Decimal("1.10"), NOON), "b": LastWord(None, NOON + MINUTE)}
    for apart in (None, Apart(NOON, is_told=True)):
        memory = RuleMemory(agreement=Agreement(said, apart))
        assert memory_of(memory_text(memory)) == memory


_VALUES = st.lists(st.integers(-50, 50).map(Decimal), min_size=1, max_size=7)


@given(_VALUES, st.integers(-50, 50).map(Decimal), st.integers(2, 4))
def test_enough_sources_are_at_the_value_or_beyond_it(values: list[Decimal], baseline: Decimal, asked: int) -> None:
    agree = Agree(sources=asked)
    known = Agreement({str(number): LastWord(value, NOON) for number, value in enumerate(values)})
    found = agreed_value(known, NOON, baseline, agree)
    assert (found is None) == (len(fresh(known, NOON, agree)) < asked)
    if found is not None and found != baseline:
        beyond = sum(value <= found if found < baseline else value >= found for value in values)
        assert beyond >= asked
        assert beyond * 2 > len(values)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"columns": COLUMNS}, "columns.source needs agree"),
        ({"agree": 2}, "agree needs columns.source"),
        ({"columns": COLUMNS, "agree": 2, "shape": "latest"}, "agree needs shape history"),
        ({"columns": COLUMNS, "agree": 1}, "greater than or equal to 2"),
    ],
)
def test_what_does_not_go_together_is_refused(keys: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        value_watch("price", **{"shape": "history", **keys})
