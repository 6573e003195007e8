"""The kinds of rows a CSV file can hold, recognised by the header; the three that a feed can, and their changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar

from core.demo.change import Change, PriceChange, ProtocolChange, TvlChange
from core.zones import in_utc

TIME_COLUMNS = ("time", "time_utc", "updated_at", "timestamp", "updatedat")

Row = Mapping[str, str]


class CellError(ValueError):
    """A cell does not hold what its column should; the text says which and what."""


Parsed_co = TypeVar("Parsed_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Layout(Generic[Parsed_co]):
    """One kind of file: the columns it must have, and what a row of it means.

    `parse` takes the row and the source to name where the row names none.
    """

    needs: frozenset[str]
    needs_time: bool
    accepted: str
    parse: Callable[[Row, str], Parsed_co]


def recognise(columns: frozenset[str], layouts: Iterable[Layout[Parsed_co]]) -> Layout[Parsed_co] | None:
    """The first layout that a header fits, or None."""
    has_time = not columns.isdisjoint(TIME_COLUMNS)
    for layout in layouts:
        if layout.needs <= columns and (has_time or not layout.needs_time):
            return layout
    return None


def row_time(row: Row, zone: tzinfo = UTC) -> datetime | None:
    """The row's time: ISO 8601 (of `zone` where it names none) or seconds since 1970; None without one."""
    column = next((name for name in TIME_COLUMNS if name in row), None)
    if column is None:
        return None
    text = row[column].strip()
    try:
        if re.fullmatch(r"\d{9,11}", text):
            return datetime.fromtimestamp(int(text), UTC)
        return in_utc(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError) as error:
        raise CellError(f"{column} {text!r} is not a time such as 2024-03-19T20:00:00Z") from error


def slug(name: str) -> str:
    """A protocol's name as DefiLlama spells it in addresses: `Aave V3` is `aave-v3`."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")


def _tvl(row: Row, source: str) -> TvlChange:
    return TvlChange(
        chain=text_in(row, "chain"),
        protocol=text_in(row, "protocol"),
        tvl_usd=number_in(row, "tvl_usd"),
        source=_optional(row, "source") or source,
    )


def _price(row: Row, source: str) -> PriceChange:
    return PriceChange(
        chain=text_in(row, "chain"),
        token=text_in(row, "token"),
        price_usd=number_in(row, "price_usd"),
        confidence=_confidence(row),
        source=_optional(row, "source") or source,
    )


def _protocol(row: Row, source: str) -> ProtocolChange:
    name = text_in(row, "name")
    protocol = _optional(row, "protocol") or slug(name)
    if not protocol:
        raise CellError(f"name {name!r} has no letter or digit to make a protocol of")
    return ProtocolChange(
        protocol=protocol,
        name=name,
        source=_optional(row, "source") or source,
        category=_optional(row, "category"),
        chain=_optional(row, "chain"),
        url=_optional(row, "url"),
        audits=_audits(row),
        parent=_optional(row, "parent"),
    )


LAYOUTS: tuple[Layout[Change], ...] = (
    Layout(
        needs=frozenset({"protocol", "chain", "tvl_usd"}),
        needs_time=True,
        accepted="TVL: time, protocol, chain, tvl_usd [, source]",
        parse=_tvl,
    ),
    Layout(
        needs=frozenset({"token", "chain", "price_usd"}),
        needs_time=True,
        accepted="prices: time, token, chain, price_usd [, confidence, source]",
        parse=_price,
    ),
    Layout(
        needs=frozenset({"name", "category"}),
        needs_time=False,
        accepted="protocols: name, category [, time, protocol, chain, url, audits, parent, source]",
        parse=_protocol,
    ),
)


def text_in(row: Row, column: str) -> str:
    """A cell that must not be empty."""
    text = row[column].strip()
    if not text:
        raise CellError(f"{column} is empty")
    return text


def _optional(row: Row, column: str) -> str | None:
    return row.get(column, "").strip() or None


def number_in(row: Row, column: str) -> Decimal:
    """A finite number, digit for digit; the bound keeps one `1e999999` from becoming a megabyte of zeros."""
    text = row[column].strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or (number and abs(number.adjusted()) > 100):
        raise CellError(f"{column} {text!r} is not a finite decimal number")
    return number


def _confidence(row: Row) -> float | None:
    text = _optional(row, "confidence")
    if text is None:
        return None
    confidence = number_in(row, "confidence")
    if not 0 <= confidence <= 1:
        raise CellError(f"confidence {text!r} is not from 0 to 1")
    return float(confidence)


def _audits(row: Row) -> int | None:
    text = _optional(row, "audits")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise CellError(f"audits {text!r} is not a whole number")
    return int(text)
