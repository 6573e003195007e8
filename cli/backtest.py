"""`rtp backtest`: what these thresholds would have reported over real history."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.backtest_page import page
from cli.backtest_progress import progress
from cli.backtest_table import print_backtest
from cli.backtest_yaml import suggestion_document, suggestion_yaml
from cli.database import connection_to
from cli.options import AsJson, Config, PostgresDsn, settings_from
from cli.output import err, out, print_json, print_problem
from core.arming.alias_tables import with_aliases
from core.detection.backtest import Backtest, RuleSet, choose_watch, new_tally
from core.detection.history import FileHistory, TableHistory
from core.detection.series import draw
from core.detection.suggest import suggest
from core.errors import SettingsError
from core.services.postgres import own_transaction
from triggers.notes import note_of_pegs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.detection.series import DrawnSeries
    from core.detection.suggest import Suggestion
    from core.kinds import Kind
    from core.settings.models import Settings
    from core.settings.watches import ValueWatch

    History = FileHistory | TableHistory

_PER_DAY = 5.0

_History = Annotated[
    str,
    typer.Option(
        "--history",
        help="A .csv or .csv.gz: as for `rtp run --feed`, or the columns time, a kind's word for its entity, the kind's"
        " name and, if you like, chain and source. Or a table in the database.",
    ),
]
_Against = Annotated[Path | None, typer.Option(help="A second settings file, to compare with.")]
_Watch = Annotated[str | None, typer.Option(help="Whose rules (and columns, for a table). Default: the one that fits.")]
_LargeMove = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        help="From how many percent within 24 hours a move is large. Default: 5; where there is a peg, 1 from the peg.",
    ),
]
_Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page: the events over the series.")]
_Suggest = Annotated[bool, typer.Option("--suggest", help="Propose rules from the history, as YAML to paste.")]
_PerDay = Annotated[
    float | None,
    typer.Option(min=0.001, help="With --suggest: so many events a day of all entities together. Default: 5."),
]
_Top = Annotated[int, typer.Option(min=0, help="How many entities to list.")]


def backtest(
    history: _History,
    config: Config = None,
    against: _Against = None,
    watch: _Watch = None,
    top: _Top = 10,
    large_move: _LargeMove = None,
    html: _Html = None,
    propose: _Suggest = False,
    per_day: _PerDay = None,
    postgres_dsn: PostgresDsn = None,
    as_json: AsJson = False,
) -> None:
    """Count the events that a settings file's rules would have raised over recorded history; touches nothing.

    With --against, two files side by side, and the entities where they differ most. With --suggest, rules proposed from
    the history are the new ones, and the settings file's the present ones.

    Example: [bold]rtp backtest --config new.yaml --against rtp.yaml --history tvl.csv.gz[/]
    [bold]rtp backtest --config rtp.yaml --history tvl.csv.gz --suggest --per-day 5[/]
    """
    _check_together(against, propose=propose, per_day=per_day)
    settings = settings_from(config, postgres__dsn=postgres_dsn)
    path = Path(history)
    file = FileHistory.open(path, _kinds_for(settings, watch)) if _is_file(path) else None
    table = tuple(history.split(".")) if "." in history else ("public", history)
    name, rules = choose_watch(settings, watch, kind=file.kind if file else None, table=table)
    rules = _with_aliases(settings, rules)
    sets = [RuleSet(_label(config), name, rules)]
    if against is not None:
        sets.append(_other_set(against, name, rules.kind, postgres_dsn))
    if file is not None:
        file.check(rules)
    with nullcontext(replace(file, zone=rules.zone)) if file else _table(settings, table, rules) as samples:
        suggestion = _suggestion(samples, rules, per_day or _PER_DAY, large_move) if propose else None
        if suggestion is not None:
            sets.insert(0, RuleSet("proposed", name, suggestion.applied()))
        result = _judged(samples, sets, large_move)
        if html is not None:
            _write(html, result, _drawn(samples, sets, large_move, result, top), history)
    if as_json:
        proposed = {"suggestion": suggestion_document(suggestion, name)} if suggestion else {}
        print_json({"history": history, "kind": rules.kind, **proposed, **result.document(top)})
        return
    if suggestion is not None:
        out.print(suggestion_yaml(suggestion, name), markup=False, soft_wrap=True)
    print_backtest(result, top)
    for one, tally in zip(sets, result.tallies, strict=True):
        if tally.noise.depeg_flaps and (note := note_of_pegs(one.watch, one.rules)):
            print_problem(f"{one.config}: {note}")


def _check_together(against: Path | None, *, propose: bool, per_day: float | None) -> None:
    if against is not None and propose:
        raise SettingsError("--suggest compares its proposal with the settings file", "Leave out --against")
    if per_day is not None and not propose:
        raise SettingsError("--per-day says how much a proposal may report", "Add --suggest")


def _other_set(config: Path, name: str, kind: str, postgres_dsn: str | None) -> RuleSet:
    settings = settings_from(config, postgres__dsn=postgres_dsn)
    chosen, rules = choose_watch(settings, name if name in settings.watches else None, kind=kind)
    return RuleSet(_label(config), chosen, _with_aliases(settings, rules))


def _with_aliases(settings: Settings, watch: ValueWatch) -> ValueWatch:
    """The watch with the aliases that a table of the database holds, where the settings name one."""
    if not watch.alias_tables:
        return watch
    with connection_to(settings) as connection, own_transaction(connection, "READ ONLY"):
        found = with_aliases(connection, watch)
    assert found.has_value
    return found


def _suggestion(samples: History, watch: ValueWatch, per_day: float, large_move: float | None) -> Suggestion:
    with progress(samples, "Trying rules", readings=2) as on_progress:
        return suggest(samples.rows, watch, per_day, on_progress, large_move)


def _judged(samples: History, sets: Sequence[RuleSet], large_move: float | None) -> Backtest:
    result = Backtest([new_tally(*one) for one in sets], large_move)
    with progress(samples, "Judging samples") as on_progress:
        result.run(samples.rows(), on_progress)
    return result


def _drawn(
    samples: History, sets: Sequence[RuleSet], large_move: float | None, result: Backtest, top: int
) -> Sequence[DrawnSeries]:
    """The entities with the most events, or the biggest differences, judged once more for the page."""
    keys = [key for key, _ in result.top(top)] or list(result.tallies[0].detector.states)[:top]
    with progress(samples, "Drawing") as on_progress:
        return draw(Backtest([new_tally(*one) for one in sets], large_move), samples.rows(), keys, on_progress)


def _write(file: Path, result: Backtest, drawn: Sequence[DrawnSeries], history: str) -> None:
    try:
        file.write_text(page(result, drawn, history), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}", "Name another file with --html") from error
    err.print(f"Page: {file}", markup=False)


def _is_file(path: Path) -> bool:
    return path.exists() or path.name.endswith((".csv", ".gz")) or len(path.parts) > 1


def _kinds_for(settings: Settings, watch: str | None) -> list[Kind]:
    """The kinds that a file may be of, the likeliest first: the named watch's, those that are watched, the others."""
    watched = {one.kind for one in settings.watches.values()}
    named = settings.watches[watch].kind if watch in settings.watches else None
    return sorted(settings.all_kinds.values(), key=lambda kind: (kind.name != named, kind.name not in watched))


def _label(config: Path | None) -> str:
    return "rtp's own default.yaml" if config is None else str(config)


@contextmanager
def _table(settings: Settings, table: tuple[str, ...], watch: ValueWatch) -> Iterator[TableHistory]:
    with connection_to(settings) as connection, own_transaction(connection, "READ ONLY"):
        yield TableHistory(connection, table, watch)
