"""A backtest's outcome as tables: what the rules would have reported, how much of it is noise, and about whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from cli.output import out
from cli.tables import span
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from core.detection.backtest import Backtest
    from core.detection.noise import LongestSilence

_DAY = "%Y-%m-%d %H:%M"


def print_backtest(result: Backtest, top: int) -> None:
    """Print the outcome for people."""
    out.print(headline(result))
    out.print(_totals(result))
    entities = result.top(top)
    if entities:
        table = _table(result, "biggest differences" if len(result.tallies) > 1 else "most events")
        for (chain, entity), events in entities:
            table.add_row(_clean(f"{chain}/{entity}"), *_counts(events))
        out.print(table)
    if moves := _moves(result, top):
        out.print(moves)


def headline(result: Backtest) -> str:
    """What was judged."""
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
    for title, *figures in noise_rows(result):
        table.add_row(title, *map(_clean, figures))
    return table


def noise_rows(result: Backtest) -> list[list[str]]:
    """The figures of what a trader hears, a title and each set's own; heartbeats are no part of them."""
    noises = [tally.noise for tally in result.tallies]
    moves = [noise.large_moves for noise in noises]
    a_day = [noise.per_entity_day for noise in noises]
    return [
        ["events per entity-day", *("–" if one is None else f"{one:.3g}" for one in a_day)],
        ["depeg/repeg pairs", *(f"{noise.pairs:,}" for noise in noises)],
        ["flaps: depegs undone in 10 min", *(f"{noise.depeg_flaps:,}" for noise in noises)],
        ["flaps: steps undone in 10 min", *(f"{noise.step_flaps:,}" for noise in noises)],
        ["longest silence", *(_silence(noise.longest_silence) for noise in noises)],
        ["large moves", *(f"{one.found:,}" for one in moves)],
        ["large moves: told at once", *(f"{one.at_once:,}" for one in moves)],
        ["large moves: told later", *(f"{one.later:,}" for one in moves)],
        ["large moves: missed", *(f"{one.missed:,}" for one in moves)],
        ["large moves: slowest first event", *(span(one.slowest) if one.later else "–" for one in moves)],
    ]


def _silence(found: LongestSilence | None) -> str:
    return "–" if found is None else f"{span(found.duration)} ({'/'.join(found.key)})"


def _moves(result: Backtest, top: int) -> Table | None:
    """The largest moves, and how soon the first event told of each."""
    largest = [tally.noise.large_moves.largest[:top] for tally in result.tallies]
    if not largest[0]:
        return None
    table = Table(box=None, pad_edge=False)
    for header in ("largest moves", "begun", "from", "to", "percent"):
        table.add_column(header, justify="left" if header in ("largest moves", "begun") else "right")
    for tally in result.tallies:
        table.add_column(_clean(f"first event, {tally.config}"), justify="right", overflow="fold")
    for told in zip(*largest, strict=True):
        move = told[0].move
        size = move.size if move.is_up else -move.size
        figures = (f"{move.begun_at:{_DAY}}", f"{move.start:.6g}", f"{move.farthest:.6g}", f"{size:+,.1f}")
        table.add_row(_clean("/".join(move.key)), *figures, *(_delay(one.delay) for one in told))
    return table


def _delay(delay: timedelta | None) -> str:
    if delay is None:
        return "none"
    return span(delay) if delay else "at once"


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
