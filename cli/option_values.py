"""What options can hold: a parser for each kind of value. What it cannot parse is one line that names the option."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeVar

from core.errors import SettingsError
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Value = TypeVar("_Value")
_Text = TypeVar("_Text", bound=str)

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PERCENT_DIGITS = 40  # more is a slip of the fingers


def duration(option: str, least: float = 0.001, most: float = float("inf"), bounds: str = "") -> Callable[[str], float]:
    """`500ms`, `30s`, `5m` or `1h`, in seconds."""

    def parse(text: str) -> float | None:
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)", text.strip())
        seconds = float(match[1]) * _UNIT_SECONDS[match[2]] if match else 0.0
        return seconds if least <= seconds <= most else None

    return _parser(option, parse, f"a duration{bounds} like 500ms, 30s, 5m or 1h")


def whole_number(
    option: str, least: int, most: int | None = None, what: str = "a whole number"
) -> Callable[[str], int]:
    """A whole number within bounds."""

    def parse(text: str) -> int | None:
        number = int(text) if re.fullmatch(r"[0-9]{1,20}", text) else least - 1
        return number if least <= number and (most is None or number <= most) else None

    return _parser(option, parse, f"{what}, {_bounds(least, most)}")


def per_second(option: str, least: float, most: float, of: str) -> Callable[[str], float]:
    """So many of something per second."""

    def parse(text: str) -> float | None:
        number = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else -1.0
        return number if least <= number <= most else None

    return _parser(option, parse, f"a number of {of} per second, {_bounds(least, most)}")


def percent(option: str, *, signed: bool = False) -> Callable[[str], Decimal]:
    """`7`, `7%` and, where it is signed, `-7`."""

    def parse(text: str) -> Decimal | None:
        try:
            value = Decimal(text.strip().removesuffix("%"))
        except InvalidOperation:
            return None
        is_sensible = value.is_finite() and value.adjusted() <= _PERCENT_DIGITS
        return value if is_sensible and (signed or value >= 0) else None

    return _parser(option, parse, f"a number of percent, {'e.g. 7 or -7' if signed else '0 or more'}")


def choice(option: str, choices: Iterable[_Text]) -> Callable[[str], _Text]:
    """One of these, in any case."""
    by_name = {str(one): one for one in choices}
    return _parser(option, lambda text: by_name.get(text.lower()), f"one of {', '.join(by_name)}")


def choices(option: str, among: Iterable[_Text], given: Iterable[str]) -> list[_Text]:
    """Each of these, as several options say them or one with commas. Raises SettingsError."""
    parse = choice(option, among)
    return [parse(one.strip()) for text in given for one in text.split(",")]


def _parser(option: str, parse: Callable[[str], _Value | None], must_be: str) -> Callable[[str], _Value]:
    def parsed(text: str) -> _Value:
        if (value := parse(text)) is None:
            raise SettingsError(f"option {option}: must be {must_be}, not {shown(text)!r}")
        return value

    return parsed


def _bounds(least: float, most: float | None) -> str:
    return f"{least:g} or more" if most is None else f"from {least:g} to {most:.6g}"
