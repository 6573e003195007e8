"""A backtest's outcome as two tables: what the rules would have reported, and about whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli.output import out
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.detection.backtest import Backtest

_DAY = "%Y-%m-%d %H:%M"


def print_backtest(result: Backtest, top: int) -> None:
    """Print the outcome for people."""
    out.print(_headline(result))
    out.print(_totals(result))
    entities = result.top(top)
    if entities:
        table = _table(result, "biggest differences" if len(result.tallies) > 1 else "most events")
        for (chain, entity), events in entities:
            table.add_row(_clean(f"{chain}/{entity}"), *_counts(events))
        out.print(table)


def _headline(result: Backtest) -> str:
    unreadable = counted(result.unreadable, "row that holds none", "rows that hold none")
    if result.first_at is None or result.last_at is None:
        return f"No samples, and {unreadable}."
    rows = f", and {unreadable}" if result.unreadable else ""
    samples = counted(result.samples, "sample")
    entities = counted(len(result.tallies[0].detector.states), "entity", "entities")
    return f"{samples} of {entities}, {result.first_at:{_DAY}} to {result.last_at:{_DAY}} UTC{rows}."


def _totals(result: Backtest) -> Table:
    tallies = result.tallies
    table = _table(result, "")
    table.add_row("events", *_counts([tally.events for tally in tallies]), style="bold")
    shares = [result.share(tally) for tally in tallies]
    table.add_row("share of samples", *("–" if share is None else f"{share:.2%}" for share in shares))
    for title, counters in (
        ("reason", [tally.reasons for tally in tallies]),
        ("severity", [tally.severities for tally in tallies]),
        ("sample", [tally.notes for tally in tallies]),
    ):
        names = sorted({name for counter in counters for name in counter}, key=lambda name: -counters[0][name])
        for name in names:
            table.add_row(f"{title}: {name}", *_counts([counter[name] for counter in counters]))
    return table


def _table(result: Backtest, first: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for tally in result.tallies:
        table.add_column(_clean(tally.config), justify="right", overflow="fold")
    if len(result.tallies) > 1:
        table.add_column("difference", justify="right")
    return table


def _counts(counts: Sequence[int]) -> list[str]:
    difference = [f"{counts[0] - counts[1]:+,}"] if len(counts) > 1 else []
    return [*(f"{count:,}" for count in counts), *difference]


def _clean(name: str) -> Text:
    """A name from data: no markup, no control characters."""
    return Text("".join(c if c.isprintable() else "�" for c in name))
