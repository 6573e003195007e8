"""Thresholds for a proposal, found from the history that the database holds: by what a backtest proposes."""

from __future__ import annotations

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

    from core.detection.detector import Key
    from core.detection.state import Sample
    from core.detection.suggest import Suggestion
    from core.discovery.proposal import WatchProposal

    _Sampled = tuple[Key, Sample]

PER_DAY = 5.0
_NEWEST_ROWS, _SAMPLES_TRIED = 20_000, 4000
_FEWEST_SAMPLES, _SHORTEST, _WANTED = 100, timedelta(hours=12), timedelta(days=2)
_LIMITS = "SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '1s', true)"


def with_thresholds(
    connection: Connection, proposal: WatchProposal, on_progress: Callable[[int], None] = lambda _: None
) -> WatchProposal:
    """The proposal with rules that its history, or its twin's, would have told about `PER_DAY` events a day by."""
    history = proposal if proposal.is_history else proposal.history
    if history is None or not all(_is_of_the_catalog(history, name) for name in history.watch["columns"].values()):
        return proposal
    samples, share = _samples(connection, history)
    if len(samples) < _FEWEST_SAMPLES or _span(samples) < _SHORTEST:
        lacking = f"{history.table.place} holds too little history to find thresholds from, or gives it too slowly"
        return proposal.with_keys({}, notes=(lacking,))
    try:
        found = suggest(lambda: samples, _watch_of(proposal), PER_DAY * share, on_progress)
    except SettingsError:
        return proposal
    return _with_rules(proposal, found, share, _span(samples), history.table.place)


def _is_of_the_catalog(history: WatchProposal, column: str) -> bool:
    """Whether to read a column runs no cast of somebody's own."""
    return history.table.by_name[column].is_of_the_catalog


def _watch_of(proposal: WatchProposal) -> ValueWatch:
    watch = Settings.model_validate(document_of([replace(proposal, name="w")])).watches["w"]
    assert isinstance(watch, ValueWatch)
    return watch


def _samples(connection: Connection, history: WatchProposal) -> tuple[list[_Sampled], float]:
    """As many samples as are soon tried, of evenly chosen entities; and which share of the entities those are.

    Where the newest samples of all are of a short time only, they are of fewer entities and of a longer time.
    """
    rows = _newest_rows(connection, history)
    keys = sorted({key for key, _ in rows})
    few = _evenly(keys, _SAMPLES_TRIED / max(len(rows), 1))
    if len(rows) == _NEWEST_ROWS and _span(rows) < _WANTED:
        fewer = _evenly(keys, _SAMPLES_TRIED / len(rows) * (_span(rows) / _WANTED))
        longer = _newest_rows(connection, history, only=[entity for _, entity in fewer])
        if longer:
            rows, few = longer, fewer
    kept = [row for row in rows if row[0] in few]
    return kept[-2 * _SAMPLES_TRIED :], len(few) / max(len(keys), 1)


def _newest_rows(connection: Connection, history: WatchProposal, only: Sequence[str] = ()) -> list[_Sampled]:
    """The newest samples, by time; none where they cannot be had soon."""
    watch = _watch_of(history)
    samples = TableHistory(connection, watch.table_parts, watch, newest=_NEWEST_ROWS, only=only)
    try:
        with own_transaction(connection, "READ ONLY"):
            connection.execute(_LIMITS)
            return [row for row in samples.rows() if row is not None]
    except (SettingsError, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
        return []


def _evenly(keys: Sequence[Key], share: float) -> set[Key]:
    """About such a share of them, one at least."""
    return set(keys[:: max(1, round(1 / share))]) if keys else set()


def _span(samples: Sequence[_Sampled]) -> timedelta:
    return samples[-1][1].at - samples[0][1].at if samples else timedelta()


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
