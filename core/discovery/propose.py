"""From a picture of a database to proposals. Pure: the same picture, the same proposals."""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING

from core.discovery.agreement import named, with_words_agreed, without_doubles
from core.discovery.measures import MEASURES, TELLING
from core.discovery.metadata_watch import metadata_watch
from core.discovery.numbers import is_number, numbers
from core.discovery.proposal import Proposals, Unfit, WatchProposal
from core.discovery.roles import find_roles
from core.discovery.shape import Lacking, shape_of
from core.discovery.times import epoch_unit
from core.discovery.value_watch import DEFI, value_watch
from core.discovery.words import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.discovery.measures import Measure
    from core.discovery.picture import FoundColumn, FoundTable, Picture
    from core.discovery.roles import Roles

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOLD = frozenset({"value", "amount"})


def propose(picture: Picture) -> Proposals:
    """What could be watched, what could not as it is, and the tables that look like nothing."""
    found: list[WatchProposal] = []
    unfit: list[Unfit] = []
    plain: list[str] = []
    for table in picture.tables:
        here = [_sayable(one, table) for one in _of_table(table, picture)]
        found += [one for one in here if isinstance(one, WatchProposal)]
        unfit += [one for one in here if isinstance(one, Unfit)]
        if not here:
            plain.append(table.place)
    kept, doubles = without_doubles(found)
    return Proposals(tuple(named(with_words_agreed(kept))), (*unfit, *doubles), tuple(plain))


def _of_table(table: FoundTable, picture: Picture) -> Iterator[WatchProposal | Unfit]:
    guesses = list(_guesses(table))
    values = [column for _, columns in guesses for column in columns]
    for measure, columns in guesses:
        roles = find_roles(table, measure.entities, values)
        if roles is None or not _is_about_defi(table, roles, columns[0]):
            continue
        shape = _trouble(table, measure, columns[0]) or shape_of(table, roles)
        if isinstance(shape, Lacking):
            yield Unfit(f"{table.place}.{columns[0]}", measure.title, shape.reason, shape.remedy)
        else:
            yield value_watch(table, measure, columns, roles, shape, picture)
    if not guesses and (several := _several_measures(table)):
        yield several
    if metadata := metadata_watch(table, picture):
        yield metadata


def _sayable(one: WatchProposal | Unfit, table: FoundTable) -> WatchProposal | Unfit:
    """What is proposed, where a settings file can name all of it."""
    if "." in table.schema + table.name:  # whatever else is in the way: a remedy for that would be SQL of this name
        looks_like = one.looks_like if isinstance(one, Unfit) else one.title
        return Unfit(one.place, looks_like, "a settings file cannot say a name with a dot in it", "Rename it")
    if isinstance(one, Unfit):
        return one
    names = (one.table.place, *one.watch["columns"].values(), *one.watch.get("watched", ()))
    if _CONTROL.search("".join(filter(None, map(str, names)))):
        return Unfit(
            one.place, one.title, "a settings file cannot say a name with a control character in it", "Rename it"
        )
    return one


def _guesses(table: FoundTable) -> Iterator[tuple[Measure, list[str]]]:
    """Each measure that a column looks like, with all such columns, the likeliest first."""
    fitting: dict[str, list[tuple[int, int, str]]] = {}
    for place, column in enumerate(table.columns):
        best = max(MEASURES, key=lambda measure: measure.fits(column.name, table.name))
        fit = best.fits(column.name, table.name)
        if fit and _can_be_value(table, column) and _is_plausible(table, column, best):
            fitting.setdefault(best.kind, []).append((-fit, place, column.name))
    for measure in MEASURES:
        if measure.kind in fitting:
            yield measure, [name for *_, name in sorted(fitting[measure.kind])]


def _can_be_value(table: FoundTable, column: FoundColumn) -> bool:
    if not column.can_be_value or epoch_unit(table, column.name):
        return False
    if not column.is_text:
        return True
    values = table.values(column.name)
    return bool(values) and all(map(is_number, values))


def _is_plausible(table: FoundTable, column: FoundColumn, measure: Measure) -> bool:
    found = numbers(table.values(column.name))
    return measure.may_be_negative or not found or median(found) >= 0


def _is_about_defi(table: FoundTable, roles: Roles, value: str) -> bool:
    """Whether anything speaks for it but a word of every trade: a shop's products have prices, too."""
    names = {*words_of(table.name), *words_of(roles.entity), *words_of(value)}
    singular = {word.removesuffix("s") for word in names}
    return roles.chain is not None or bool((names | singular) & DEFI) or words_of(roles.entity)[-1:] == ("symbol",)


def _trouble(table: FoundTable, measure: Measure, value: str) -> Lacking | None:
    """What keeps any watch from this column."""
    if table.obstacle:
        return Lacking(table.obstacle, table.remedy)
    return None if measure.is_named(value) else _several(table)


def _several_measures(table: FoundTable) -> Unfit | None:
    """A table of numbers of which another column says what they are."""
    told = [column.name for column in table.columns if column.is_number and set(words_of(column.name)) & _TOLD]
    roles, several = find_roles(table, ("protocol", "token", "pool"), told), _several(table)
    if not told or several is None or roles is None or not _is_about_defi(table, roles, told[0]):
        return None
    return Unfit(f"{table.place}.{told[0]}", "several measures", several.reason, several.remedy)


def _several(table: FoundTable) -> Lacking | None:
    telling = [column.name for column in table.columns if set(words_of(column.name)) & TELLING]
    if not telling:
        return None
    return Lacking(
        f"what a row measures stands in {telling[0]}, and rtp watches all rows of a table",
        "Keep a table for each measure, filled from this one by a trigger of yours or by its writers",
    )
