"""Thresholds for a proposal, found from the history that the database holds: by what a backtest proposes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from core.detection.history import TableHistory
from core.detection.suggest import suggest
from core.discovery.document import document_of
from core.errors import SettingsError
from core.services.postgres import own_transaction
from core.settings.models import Settings
from core.settings.watches import ValueWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import Connection

    from core.detection.history import Row
    from core.detection.suggest import Suggestion
    from core.discovery.proposal import WatchProposal

PER_DAY = 5.0
_NEWEST_ROWS, _SAMPLES_TRIED = 20_000, 4000
_FEWEST_SAMPLES, _SHORTEST = 100, timedelta(hours=12)
_LIMITS = "SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '1s', true)"


def with_thresholds(
    connection: Connection, proposal: WatchProposal, on_progress: Callable[[int], None] = lambda _: None
) -> WatchProposal:
    """The proposal with rules that its history, or its twin's, would have told about `PER_DAY` events a day by."""
    history = proposal if proposal.is_history else proposal.history
    if history is None or history.value is None:
        return proposal
    rows = _newest_rows(connection, history)
    times = [sample.at for _, sample in rows]
    if len(rows) < _FEWEST_SAMPLES or max(times) - min(times) < _SHORTEST:
        return proposal.with_keys(
            {}, notes=(f"{history.table.place} holds too little history to find thresholds from",)
        )
    chosen, share = _thinned(rows)
    try:
        found = suggest(lambda: chosen, _watch_of(proposal), PER_DAY * share, on_progress)
    except SettingsError:
        return proposal
    return _with_rules(proposal, found, share, max(times) - min(times), history.table.place)


def _watch_of(proposal: WatchProposal) -> ValueWatch:
    watch = Settings.model_validate(document_of([replace(proposal, name="w")])).watches["w"]
    assert isinstance(watch, ValueWatch)
    return watch


def _newest_rows(connection: Connection, history: WatchProposal) -> list[tuple[Any, Any]]:
    """The newest samples; none where they cannot be had soon."""
    watch = _watch_of(history)
    samples = TableHistory(connection, watch.table_parts, watch, newest=_NEWEST_ROWS)
    try:
        with own_transaction(connection, "READ ONLY"):
            connection.execute(_LIMITS)
            return [row for row in samples.rows() if row is not None]
    except (SettingsError, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        return []


def _thinned(rows: Sequence[tuple[Any, Any]]) -> tuple[list[Row], float]:
    """The samples of evenly chosen entities, as many as are soon tried; and which share of the entities that is."""
    counts = Counter(key for key, _ in rows)
    step = -(-len(rows) // _SAMPLES_TRIED)
    chosen = set(sorted(counts)[::step])
    kept: list[Row] = [row for row in rows if row[0] in chosen]
    return kept[-2 * _SAMPLES_TRIED :], len(chosen) / len(counts)


def _with_rules(proposal: WatchProposal, found: Suggestion, share: float, time: timedelta, place: str) -> WatchProposal:
    word = next(key for key, column in proposal.watch["columns"].items() if column == proposal.entity)
    rules = dict(found.document)
    overrides = list(rules.pop("overrides", ()))
    named = {override[word] for override in overrides}
    overrides += [override for override in proposal.watch.get("overrides", ()) if override[word] not in named]
    a_day = sum(one.a_day for one in found.proposals) / share
    days = time / timedelta(days=1)
    told = f"about {a_day:.2g} events a day of all, as {days:.2g} days of {place} show"
    changed = proposal.with_keys(
        {**rules, "overrides": overrides or None}, notes=(f"thresholds: {_in_words(rules)}; {told}",)
    )
    return replace(changed, remarks={**proposal.remarks, "percent": told})


def _in_words(rules: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, (int, float)) else f"{key} {value}" for key, value in rules.items()
    )
