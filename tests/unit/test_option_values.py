"""What options can hold, and what is said of what they cannot."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cli.option_values import choice, choices, duration, per_second, percent, whole_number
from core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

ANY = duration("--for")
COUNT = whole_number("--count", 1)
PORT = whole_number("--web", 1, 65_535, "a port")
RATE = per_second("--rate", 0.1, 100_000, "updates")
MOVE = percent("--pct", signed=True)
SIZE = percent("--min-pct")
COLOUR = choice("--colour", ("red", "blue"))

VALUES: list[tuple[Callable[[str], object], str, object]] = [
    (ANY, "500ms", 0.5),
    (ANY, "1.5h", 5400.0),
    (COUNT, "007", 7),
    (PORT, "65535", 65_535),
    (RATE, "0.1", 0.1),
    (MOVE, "-7%", Decimal(-7)),
    (SIZE, "0", Decimal(0)),
    (COLOUR, "Red", "red"),
]
REFUSED: list[tuple[Callable[[str], object], str, str]] = [
    (ANY, "soon", "option --for: must be a duration like 500ms, 30s, 5m or 1h, not 'soon'"),
    (ANY, "0s", "option --for: must be a duration like 500ms, 30s, 5m or 1h, not '0s'"),
    (COUNT, "0", "option --count: must be a whole number, 1 or more, not '0'"),
    (COUNT, "1" * 21, f"option --count: must be a whole number, 1 or more, not '{'1' * 21}'"),
    (PORT, "65536", "option --web: must be a port, from 1 to 65535, not '65536'"),
    (RATE, "1e3", "option --rate: must be a number of updates per second, from 0.1 to 100000, not '1e3'"),
    (MOVE, "1e41", "option --pct: must be a number of percent, e.g. 7 or -7, not '1e41'"),
    (SIZE, "-1", "option --min-pct: must be a number of percent, 0 or more, not '-1'"),
    (SIZE, "nan", "option --min-pct: must be a number of percent, 0 or more, not 'nan'"),
    (COLOUR, "green", "option --colour: must be one of red, blue, not 'green'"),
]


@pytest.mark.parametrize(("parse", "text", "value"), VALUES, ids=[text for _, text, _ in VALUES])
def test_what_an_option_can_hold(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text", "complaint"), REFUSED, ids=[text for _, text, _ in REFUSED])
def test_what_it_cannot_hold_is_one_line(parse: Callable[[str], object], text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse(text)
    assert str(refusal.value) == complaint


def test_several_are_said_by_commas_or_one_after_the_other() -> None:
    assert choices("--colour", ("red", "blue", "grey"), ["red, BLUE", "grey"]) == ["red", "blue", "grey"]


def test_one_that_is_none_among_several_is_named() -> None:
    with pytest.raises(SettingsError, match="option --colour: must be one of red, blue, not 'green'"):
        choices("--colour", ("red", "blue"), ["red,green"])
