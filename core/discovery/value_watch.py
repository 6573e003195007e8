"""The watch that is proposed for a column of values: kind, shape, columns, threshold, pegs, time zone."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.discovery.numbers import numbers
from core.discovery.pegs import pegged, stable_entities
from core.discovery.proposal import WatchProposal
from core.discovery.reason import reason_for
from core.discovery.words import vocabulary, words_of
from core.discovery.zone import zone_for
from core.kinds import SHIPPED
from core.settings.own_kinds import TAKEN_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.discovery.measures import Measure
    from core.discovery.picture import FoundTable, Picture
    from core.discovery.roles import Roles

DEFI = frozenset(
    vocabulary(
        "protocol project dapp defi pool market vault reserve token coin asset ticker pair feed oracle stablecoin dex"
        " amm lending tvl apy apr funding perp chain network blockchain swap farm staking bridge"
    )
)
_PRICE = "price"
_ONE = Decimal(1)
_MOST_NAMED = 8


def value_watch(
    table: FoundTable, measure: Measure, columns: Sequence[str], roles: Roles, shape: str, picture: Picture
) -> WatchProposal:
    """The proposal for the first of these columns; the others may be the same measure, too."""
    value = columns[0]
    kind, own = measure.kind, None if measure.kind in SHIPPED else _own_kind(measure, table, value, roles)
    notes, remarks = list(_facts(table, roles, measure, columns)), {}
    stable, dollar = stable_entities(table, roles.entity, value) if kind == _PRICE else ([], _ONE)
    if dollar != _ONE:
        kind, own = "feed_price", {"entity": _word(roles.entity, measure.entities), "percent": 0.1, "peg": True}
        notes.append(f"prices have {dollar.adjusted()} decimals, in whole numbers: events show {int(dollar)} for 1")
    if stable:
        notes.append(f"held to a peg of {int(dollar)}: {_listed([name for _, name in stable])}")
    word = SHIPPED[kind].entity if own is None else own["entity"]
    percent = float(SHIPPED[kind].percent) if own is None else own["percent"]
    watch: dict[str, Any] = {"kind": kind, "table": table.place, "percent": percent}
    remarks["percent"] = f"rtp's own for {kind}"
    if shape == "history":
        watch["shape"] = "history"
    if zone := zone_for(table, roles.changed_at, picture):
        watch["timezone"], remarks["timezone"] = zone
        notes.append(f"{roles.changed_at} has no time zone, and is read as {zone[0]}: {zone[1]}")
    if roles.has_many_sources:
        watch["agree"] = {"sources": 2, "within": "5m"}
        remarks["agree"] = f"so many of {roles.source} must say so before anything is reported"
        notes.append(f"several of {roles.source} speak of one {word}: two must agree, each by its newest of 5 minutes")
    if stable:
        watch["overrides"] = pegged(stable, word, dollar)
    watch["columns"] = columns_of(roles, word, value)
    reason = reason_for(table, table.by_name[value].type, roles, shape)
    return WatchProposal("", table, value, measure.title, watch, reason, own, tuple(notes), remarks)


def columns_of(roles: Roles, word: str, value: str | None) -> dict[str, str]:
    """The mapping, as a watch has it."""
    asked = {
        "chain": roles.group,
        word: roles.entity,
        "value": value,
        "changed_at": roles.changed_at,
        "source" if roles.has_many_sources else "provenance": roles.source,
        "confidence": roles.confidence,
    }
    return {key: column for key, column in asked.items() if column}


def _facts(table: FoundTable, roles: Roles, measure: Measure, columns: Sequence[str]) -> Iterator[str]:
    """What a reader of the proposal should know of the table's columns."""
    if roles.naming.grouping:
        yield f"{roles.naming.grouping} stands where rtp has the chain"
    numbered = [column for column in roles.key if table.by_name[column].is_whole]
    if numbered:
        yield f"events name what they are about by the number in {' and '.join(numbered)}"
    if len(columns) > 1:
        yield f"{_listed(columns[1:])} {'looks' if len(columns) == 2 else 'look'} like {measure.title}, too"
    if table.partitions:
        yield f"its partitions are watched, too: {table.partitions:,} by now"


def _own_kind(measure: Measure, table: FoundTable, value: str, roles: Roles) -> dict[str, Any]:
    kind: dict[str, Any] = {"entity": _word(roles.entity, measure.entities), "percent": measure.percent}
    if measure.prefix:
        kind["prefix"] = measure.prefix
    sizes = sorted(abs(size) for size in numbers(table.values(value)))
    # A few of a hundred percent and more do not make percents of fractions.
    if measure.is_rate and sizes and sizes[len(sizes) * 9 // 10] > 1:
        kind["suffix"] = "%"
    return kind


def _word(column: str, entities: Sequence[str]) -> str:
    """A kind's word for the entity: the column's own, where it is one that rtp knows and has no other use for."""
    free = [word for word in words_of(column) if word not in TAKEN_WORDS]
    known = [word for word in free if word in entities] or [word for word in free if word in DEFI]
    return known[0] if known else entities[0]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
