"""What the commands' tables are made of.

Names and values come from data: nothing in them is markup, nothing acts on the terminal.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import compress
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from cli.event_line import printable
from cli.output import out
from core.detection.report import amount_text
from core.inspection.in_words import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
_LONGEST = 80
_NOTHING = ("–", "")
_LONGEST_WHOLE_WORD = 10

GOOD, DOUBTFUL, BAD = "green", "yellow", "bold red"
"""The tones of what is said on a terminal."""


def new_table(title: str, *headers: str, rows: Iterable[Iterable[Any]]) -> Table:
    """A table with a bold title; numbers stand to the right.

    Where it is wider than the terminal, columns that say nothing are left out.
    """
    shown = [[cell(value) for value in row] for row in rows]
    if shown and _is_too_wide(_natural_widths(headers, shown)):
        said = [any(row[index].plain not in _NOTHING for row in shown) for index in range(len(headers))]
        headers, shown = tuple(compress(headers, said)), [list(compress(row, said)) for row in shown]
    # A table's title wraps where the table ends, however much room there is beside it.
    heading = Text(f"\n{printable(title)}", "bold", no_wrap=cell_len(title) <= out.width, overflow="ignore")
    table = Table(title=heading, title_justify="left", box=None, pad_edge=False, collapse_padding=True)
    for header, width in zip(headers, _widths(headers, shown), strict=True):
        table.add_column(header, header_style="dim", overflow="fold", width=width)
    for row in shown:
        table.add_row(*row)
    return table


def _widths(headers: Sequence[str], shown: Sequence[Sequence[Text]]) -> list[int]:
    """As wide as their cells. Where there is no room for that the widest give way, and words stay whole for longest."""
    widths = _natural_widths(headers, shown)
    for longest_word in (_LONGEST_WHOLE_WORD, 1):
        least = [max(_least_width(cell, longest_word) for cell in cells) for cells in _columns(headers, shown)]
        spare = [width - floor for width, floor in zip(widths, least, strict=True)]
        while _is_too_wide(widths) and max(spare) > 0:
            widest = max(compress(range(len(widths)), spare), key=widths.__getitem__)
            widths[widest] -= 1
            spare[widest] -= 1
    return widths


def _columns(headers: Sequence[str], shown: Sequence[Sequence[Text]]) -> Iterator[list[Text]]:
    for index, header in enumerate(headers):
        yield [Text(header), *(row[index] for row in shown)]


def _natural_widths(headers: Sequence[str], shown: Sequence[Sequence[Text]]) -> list[int]:
    return [max(_longest(cell.plain.splitlines()) for cell in cells) for cells in _columns(headers, shown)]


def _is_too_wide(widths: Sequence[int]) -> bool:
    return sum(widths) + len(widths) > out.width


def _least_width(cell: Text, longest_word: int) -> int:
    parts = cell.plain.splitlines() if cell.no_wrap else cell.plain.split()
    return _longest(parts) if cell.no_wrap else min(_longest(parts), longest_word)


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def facts(rows: Iterable[tuple[str, Any]]) -> Table:
    """A table of names and what is so of each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, cell(value))
    return table


def cell(value: Any) -> Text:
    """One value as text: `–` for none, thousands apart, amounts digit for digit unless they are very long."""
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("–")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}", justify="right")
    text = amount_text(value) if isinstance(value, Decimal) else value
    if isinstance(value, datetime):
        text = moment(value)
    shown = printable(str(text))
    return Text(shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…")


def toned(value: Any, tone: str) -> Text:
    """A cell in one of the tones."""
    said = cell(value).copy()
    said.stylize(tone)
    return said


def count_of_bad(count: int | None) -> Text:
    """A number that had better be 0; None where it is not known."""
    return toned(count, BAD if count else "")


def whole(sentence: str | None, tone: str = "") -> Text | None:
    """A cell that wraps and is never cut, however long it is: what went wrong, who is there. None for nothing."""
    return Text(printable(sentence), tone) if sentence else None


def remarks(said: Iterable[tuple[str, str]]) -> Text:
    """A cell of a few words each with their tone, one a line, which stay together in any terminal."""
    lines = Text("\n", no_wrap=True).join(Text(words, tone) for words, tone in said)
    lines.no_wrap = True
    return lines


def age(since: datetime | None, now: datetime) -> str | None:
    """How long ago that was: `12 s ago`; None for none."""
    return None if since is None else f"{span(now - since)} ago"


def span(duration: timedelta) -> str:
    """About how long: `0.4 s`, `12 s`, `5 min`, `3 h`, `2 d`."""
    seconds = max(duration.total_seconds(), 0.0)
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
