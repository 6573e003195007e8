"""Proposals made to fit together: no two about the same, one word for one kind, a name for each watch."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.discovery.proposal import Unfit, WatchProposal
from core.discovery.words import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_LONGEST_NAME = 40


def without_doubles(found: Sequence[WatchProposal]) -> tuple[list[WatchProposal], list[Unfit]]:
    """Of proposals about the same values of the same entities the best: two watches would report everything twice.

    The best is the one with the latest values; the history of the same is what its thresholds can be found from. Among
    tables of a shape it is the one written to last, then the one of which rtp can use more columns, then the largest.
    """
    kept: list[WatchProposal] = []
    doubles = []
    by_name = sorted(found, key=lambda one: one.table.place)
    for one in sorted(by_name, key=_worth, reverse=True):
        twin = next((other for other in kept if _are_doubles(one, other)), None)
        if twin is None:
            kept.append(one)
            continue
        if one.is_history and twin.history is None:
            kept[kept.index(twin)] = replace(twin, history=one)
        remedy = f"To watch this one, name it: --table {shlex.quote(one.table.place)}"
        reason = f"{twin.place} has the same{_why_better(twin, one)}, and one of them is enough"
        doubles.append(Unfit(one.place, one.title, reason, remedy))
    return sorted(kept, key=lambda one: one.table.place), doubles


def _worth(one: WatchProposal) -> tuple[bool, str, int, int]:
    return not one.is_history, _newest_day(one), len(one.watch["columns"]), one.table.rows or 0


def _newest_day(one: WatchProposal) -> str:
    """Tables that are written to side by side differ by less."""
    newest = one.table.newest.get(one.watch["columns"].get("changed_at", ""))
    return "" if newest is None else f"{newest:%Y-%m-%d}"


def _why_better(better: WatchProposal, one: WatchProposal) -> str:
    if better.is_history != one.is_history or better.table is one.table:
        return ""
    (_, day, columns, rows), (_, other_day, other_columns, other_rows) = _worth(better), _worth(one)
    if day != other_day:
        return f" and newer rows (of {day}, not {other_day})" if other_day else " and says when each row was written"
    if columns != other_columns:
        return " and tells more of it"
    if rows != other_rows:
        return f" and more rows ({rows:,}, not {other_rows:,})"
    return " and comes first by its name"


def _are_doubles(one: WatchProposal, other: WatchProposal) -> bool:
    if one.watch["kind"] != other.watch["kind"]:
        return False
    if one.table is other.table:
        return True
    names, others = set(one.table.values(one.entity)), set(other.table.values(other.entity))
    return not names or not others or bool(names & others)


def with_words_agreed(found: Iterable[WatchProposal]) -> Iterator[WatchProposal]:
    """A kind has one word for its entities, whatever each table calls them: that of the first.

    Where one table has percents and another fractions, no unit is right for both.
    """
    watches = list(found)
    kinds: dict[str, Any] = {}
    for one in watches:
        if one.kind is None:
            continue
        first = kinds.setdefault(one.watch["kind"], dict(one.kind))
        if first.get("suffix") != one.kind.get("suffix"):
            first.pop("suffix", None)
    for one in watches:
        if one.kind is None:
            yield one
            continue
        first = kinds[one.watch["kind"]]
        mine, theirs = one.kind["entity"], first["entity"]
        columns = {theirs if key == mine else key: column for key, column in one.watch["columns"].items()}
        overrides = [
            {theirs if key == mine else key: value for key, value in each.items()}
            for each in one.watch.get("overrides", ())
        ]
        yield replace(one.with_keys({"columns": columns, "overrides": overrides or None}), kind=first)


def named(found: Iterable[WatchProposal]) -> Iterator[WatchProposal]:
    """Each with a name of its own: its table's.

    Where tables are called alike, with the schema's; where several are of one table, with the kind's.
    """
    watches = list(found)
    places = {one.table.place: _words(one.table.name) for one in watches}
    taken: set[str] = set()
    for one in watches:
        base = places[one.table.place]
        if list(places.values()).count(base) > 1:
            base = f"{_words(one.table.schema)}_{base}"
        if sum(other.table is one.table for other in watches) > 1:
            kind = one.watch["kind"]
            base = f"{base.removesuffix(kind)[: _LONGEST_NAME - 1 - len(kind)].strip('_')}_{kind}".strip("_")
        base = base if base[:1].isalpha() else f"t_{base}"
        name, number = base[:_LONGEST_NAME].strip("_"), 2
        while name in taken:
            name, number = f"{base[: _LONGEST_NAME - 4].strip('_')}_{number}", number + 1
        taken.add(name)
        yield replace(one, name=name)


def _words(name: str) -> str:
    return "_".join(word for word in words_of(name) if word.isascii())
