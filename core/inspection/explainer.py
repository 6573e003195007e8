"""Finding out about one entity: its installed watch, its baseline, and what its table holds now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from pydantic import ValidationError

from core.detection.band import band
from core.detection.distance import distance
from core.detection.market import market_of
from core.detection.rule_in_words import rule_in_words
from core.errors import NotInstalled, UnknownEntity
from core.inspection.conclusion import Conclusion, Unjudged, conclude
from core.inspection.explanation import (
    BaselineRow,
    Explanation,
    JudgedValue,
    PastEvent,
    SetAsideRow,
    Whence,
    market_move,
    rule_keys,
    source_words,
)
from core.inspection.inspector import looking
from core.judging.waiting import count_waiting
from core.services.postgres import queries
from core.settings.rules import rule_for
from core.settings.watches import ValueWatch, Watch, watch_model
from rtp_client.errors import one_line
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from psycopg import Connection

    from core.detection.market import MarketMemory
    from core.detection.state import EntityState
    from core.kinds import Kinds
    from core.settings.models import Settings

_QUERIES = queries("core.sql", "explanation.sql")
# For a look at the user's table, which may be slow or locked.
_TABLE_TIMEOUT = "5s"
_NO_ROW = "the table has no such row"


def explain(connection: Connection, settings: Settings, kind: str, entity: str, chain: str | None) -> list[Explanation]:
    """What rtp knows about an entity, for each watch and chain: the installed rule beside the one of the settings.

    Raises NotInstalled where no watch of that kind is installed, and UnknownEntity where none has seen the entity.
    """
    with looking(connection):
        watches = _installed_watches(connection, settings.all_kinds, kind)
        known = [place for watch in watches for place in _places(connection, watch, entity, chain)]
        meant = [place for place in known if chain is None or place.watch.watch.key_of(chain, entity)[0] == place.chain]
        if not meant:
            raise _unknown(connection, kind, entity, chain, watches, known)
        return [_explain(connection, settings.watches.get(place.watch.name), place) for place in meant]


@dataclass(frozen=True)
class _Installed:
    id: int
    name: str
    watch: Watch
    rules: int


@dataclass(frozen=True)
class _EntityOfWatch:
    watch: _Installed
    chain: str
    entity: str

    @property
    def values(self) -> dict[str, object]:
        return {"watch": self.watch.id, "chain": self.chain, "entity": self.entity}


def _installed_watches(connection: Connection, kinds: Kinds, kind: str) -> list[_Installed]:
    rows = connection.execute(_QUERIES["watches"], {"kind": kind}).fetchall()
    if not rows:
        raise NotInstalled(f"no watch of kind {kind} is installed", "Run `rtp install-triggers`")
    model = watch_model(kinds[kind])
    try:
        return [_Installed(id_, name, model.model_validate(settings), rules) for id_, name, settings, rules in rows]
    except ValidationError as error:
        raise NotInstalled(
            f"the watches of kind {kind} were installed by another version of rtp, or with another such kind",
            "Run `rtp install-triggers` of this one",
        ) from error


def _places(connection: Connection, watch: _Installed, entity: str, chain: str | None) -> list[_EntityOfWatch]:
    """Where an entity is known, by its name of today or a former one."""
    on, called = watch.watch.key_of(chain or "", entity)
    return [_EntityOfWatch(watch, place, called) for place in _chains(connection, watch, called, on or None)]


def _chains(connection: Connection, watch: _Installed, entity: str, chain: str | None) -> list[str]:
    """Where an entity is known. The logs are read for it only where the chain that is asked for has no baseline."""
    values = {"watch": watch.id, "chain": chain, "entity": entity}
    if chain is not None and connection.execute(_QUERIES["has_baseline"], values).fetchone():
        return [chain]
    return [row[0] for row in connection.execute(_QUERIES["chains"], values)]


def _explain(connection: Connection, wanted: Watch | None, place: _EntityOfWatch) -> Explanation:
    with connection.cursor(row_factory=class_row(BaselineRow)) as states:
        state = _with_band(states.execute(_QUERIES["state"], place.values).fetchone(), place)
    with connection.cursor(row_factory=class_row(PastEvent)) as past:
        events = past.execute(_QUERIES["events"], place.values).fetchall()
    with connection.cursor(row_factory=class_row(SetAsideRow)) as aside:
        set_aside = aside.execute(_QUERIES["set_aside"], place.values).fetchall()
    watch = place.watch.watch
    waiting = count_waiting(connection, place.values)
    is_look, now = connection.execute(_QUERIES["pending"], place.values).fetchone() or ()
    judged = conclusion = market = None
    if watch.has_value:
        market = market_move(_market(connection, place), watch.market, now)
        judged = _judged(connection, watch, wanted, place, state)
        rule = rule_for(watch, place.chain, place.entity)
        remembered = state.entity(is_sampled=watch.is_sampled) if state else None
        conclusion = conclude(remembered, judged, rule, Unjudged(waiting, is_look, now), events, set_aside)
        if conclusion.outcome == "unknown":
            conclusion = _renamed(connection, place) or conclusion
    return Explanation(
        at=now,
        watch=place.watch.name,
        kind=watch.kind,
        table=watch.table,
        chain=place.chain,
        entity=place.entity,
        rules=place.watch.rules,
        state=state,
        judged=judged,
        watched=watch.watched,
        waiting=waiting,
        conclusion=conclusion,
        set_aside=set_aside,
        events=events,
        market=market,
    )


def _renamed(connection: Connection, place: _EntityOfWatch) -> Conclusion | None:
    """Where the entity of that name was given another one by hand."""
    row = connection.execute(_QUERIES["renamed"], place.values).fetchone()
    if row is None:
        return None
    chain, entity, at = row
    return Conclusion("renamed", Reason.RENAMED, at, called=entity if chain == place.chain else f"{chain}/{entity}")


def _market(connection: Connection, place: _EntityOfWatch) -> MarketMemory:
    row = connection.execute(_QUERIES["market"], place.values).fetchone()
    return market_of(row[0] if row else None)


def _with_band(state: BaselineRow | None, place: _EntityOfWatch) -> BaselineRow | None:
    watch = place.watch.watch
    if state is None or not watch.has_value or not watch.is_sampled:
        return state
    found = band(state.entity(is_sampled=True), rule_for(watch, place.chain, place.entity), watch.compare_with)
    return replace(state, lower=found.lower, upper=found.upper) if found else replace(state, lower=None, upper=None)


def _judged(
    connection: Connection, watch: ValueWatch, wanted: Watch | None, place: _EntityOfWatch, state: BaselineRow | None
) -> JudgedValue:
    wanted_values = wanted if wanted is not None and wanted.has_value else None
    current, current_from, note = _value_now(connection, watch, place, state)
    rule = rule_for(watch, place.chain, place.entity)
    return JudgedValue(
        shape=watch.shape,
        is_sampled=watch.is_sampled,
        compare_with=watch.compare_with,
        rule=rule_keys(watch, wanted_values, place.chain, place.entity),
        rule_words=rule_in_words(rule, watch.compare_with, watch.market),
        current=current,
        current_from=current_from,
        current_note=note,
        is_row_gone=note == _NO_ROW,
        distance=distance(state.value, state.reported_at, current, rule, state.lag) if state else None,
        sources=source_words(state.entity(is_sampled=watch.is_sampled), rule) if state else (),
    )


def _value_now(
    connection: Connection, watch: ValueWatch, place: _EntityOfWatch, state: BaselineRow | None
) -> tuple[Decimal | None, Whence, str]:
    """The table's value; for a history, which may be long, the newest judged sample; else what is remembered."""
    remembered = _remembered(state.entity(is_sampled=watch.is_sampled)) if state is not None else None
    if watch.is_history:
        return remembered, "newest sample", ""
    try:
        row = _look_up(connection, place)
        if row is not None:
            return row[0], "table", ""
        note = _NO_ROW
    except psycopg.OperationalError as error:
        # The query was canceled by its timeout. Where the connection is lost, nothing else can be read, either.
        if connection.closed:
            raise
        note = one_line(error)
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        note = one_line(error)
    return remembered, "baseline", note


def _remembered(state: EntityState) -> Decimal | None:
    return state.last_value if state.suspect_since is None else state.suspect_value


def _look_up(connection: Connection, place: _EntityOfWatch) -> tuple[Decimal | None] | None:
    with connection.transaction():
        connection.execute(
            "SELECT set_config('statement_timeout', %(limit)s, true), set_config('lock_timeout', %(limit)s, true)",
            {"limit": _TABLE_TIMEOUT},
        )
        query = sql.SQL("SELECT * FROM {}(%(chain)s, %(entity)s)")
        return connection.execute(
            query.format(sql.Identifier("rtp", f"now_{place.watch.name}")), place.values
        ).fetchone()


def _unknown(
    connection: Connection,
    kind: str,
    entity: str,
    chain: str | None,
    watches: Sequence[_Installed],
    known: Sequence[_EntityOfWatch],
) -> UnknownEntity:
    if known:
        chains = ", ".join(sorted({place.chain for place in known}))
        return UnknownEntity(f"{kind} {entity} is not known on {chain}", f"It is on: {chains}")
    near = _near_names(connection, watches, entity)
    return UnknownEntity(
        f"no watch of kind {kind} has ever seen {entity}", f"Did you mean: {', '.join(near)}" if near else ""
    )


def _near_names(connection: Connection, watches: Sequence[_Installed], entity: str) -> list[str]:
    values = {"watches": [watch.id for watch in watches], "entity": entity}
    names = {row[0].casefold(): row[0] for row in connection.execute(_QUERIES["names"], values)}
    return [names[name] for name in get_close_matches(entity.casefold(), names, n=5)]
