"""A backtest as a page: the events laid over the series. One file that loads nothing, in light and dark."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from cli.backtest_chart import chart
from cli.backtest_table import headline, noise_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.detection.backtest import Backtest
    from core.detection.series import DrawnSeries


def page(result: Backtest, drawn: Sequence[DrawnSeries], history: str) -> str:
    """The page, of the entities that were drawn."""
    names = [tally.config for tally in result.tallies]
    template = Template(files("cli").joinpath("backtest_page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"rtp backtest: {history}"),
        headline=escape(headline(result)),
        figures="".join([_row("th", ["", *names]), *(_row("td", row) for row in noise_rows(result))]),
        charts="".join(_section(series, names) for series in drawn),
    )


def _row(cell: str, words: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(word)}</{cell}>" for word in words) + "</tr>"


def _section(series: DrawnSeries, names: Sequence[str]) -> str:
    told = ", ".join(f"{len(marks):,} by {name}" for marks, name in zip(series.marks, names, strict=True))
    more = f", and {series.left_out:,} that are not drawn" if series.left_out else ""
    words = f'<p class="note">Events: {escape(told)}{more}</p>'
    return f"<section><h2>{escape('/'.join(series.key))}</h2>{chart(series)}{words}</section>"
