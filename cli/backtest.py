"""`rtp backtest`: what these thresholds would have reported over real history."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.backtest_table import print_backtest
from cli.database import connection_to
from cli.options import AsJson, Config, PostgresDsn, settings_from
from cli.output import err, print_json
from core.detection.backtest import Backtest, choose_watch, new_tally
from core.detection.history import FileHistory, TableHistory
from core.services.postgres import own_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.kinds import Kind
    from core.settings.models import Settings
    from core.settings.watches import ValueWatch

_History = Annotated[
    str,
    typer.Option(
        "--history",
        help="A .csv or .csv.gz: as for `rtp run --feed`, or the columns time, a kind's word for its entity, the kind's"
        " name and, if you like, chain. Or a table in the database.",
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
_Top = Annotated[int, typer.Option(min=0, help="How many entities to list.")]


def backtest(
    history: _History,
    config: Config = None,
    against: _Against = None,
    watch: _Watch = None,
    top: _Top = 10,
    large_move: _LargeMove = None,
    postgres_dsn: PostgresDsn = None,
    as_json: AsJson = False,
) -> None:
    """Count the events that a settings file's rules would have raised over recorded history; touches nothing.

    With --against, two files side by side, and the entities where they differ most.

    Example: [bold]rtp backtest --config new.yaml --against rtp.yaml --history tvl.csv.gz[/]
    """
    settings = settings_from(config, postgres__dsn=postgres_dsn)
    path = Path(history)
    file = FileHistory.open(path, _kinds_for(settings, watch)) if _is_file(path) else None
    table = tuple(history.split(".")) if "." in history else ("public", history)
    name, rules = choose_watch(settings, watch, kind=file.kind if file else None, table=table)
    tallies = [new_tally(_label(config), name, rules)]
    if against is not None:
        old = settings_from(against)
        same_name = name if name in old.watches else None
        tallies.append(new_tally(_label(against), *choose_watch(old, same_name, kind=rules.kind)))
    result = Backtest(tallies, large_move)
    with (
        nullcontext(replace(file, zone=rules.zone)) if file else _table(settings, table, rules) as samples,
        _progress(samples) as on_progress,
    ):
        result.run(samples.rows(), on_progress)
    if as_json:
        print_json({"history": history, "kind": rules.kind, **result.document(top)})
    else:
        print_backtest(result, top)


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


@contextmanager
def _progress(samples: FileHistory | TableHistory) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; silence elsewhere."""
    if not err.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("Judging samples", total=samples.count() or None)
        yield lambda done: bar.update(task, completed=done)
