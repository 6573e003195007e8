"""`rtp init`: look at a live database, and propose what to watch."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from cli.database import connection_to
from cli.init.file import check_free, write
from cli.init.questions import ask
from cli.init.show import show_all, show_outcome
from cli.options import AsJson, PostgresDsn, Stack, settings_from
from cli.output import err, print_json
from cli.running_demo import use_demo_if_unnamed
from core.discovery.document import settings_text
from core.discovery.look import look
from core.discovery.propose import propose
from core.discovery.thresholds import with_thresholds
from core.errors import SettingsError
from core.problem import counted
from core.services.postgres import own_transaction
from core.sinks.settings import load_settings
from triggers.rights import lacking_grants
from triggers.validator import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg import Connection

    from core.discovery.picture import Picture
    from core.discovery.proposal import Proposals, WatchProposal
    from triggers.rights import Grant

_Schemas = Annotated[
    list[str] | None,
    typer.Option("--schema", metavar="NAME", help="Only tables in this schema; may be given several times."),
]
_Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="SCHEMA.TABLE", help="Only this table; may be given several times."),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Take all proposals as they are; ask nothing.")]
_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The settings file to write.")]
_Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


def init(
    postgres_dsn: PostgresDsn = None,
    schema: _Schemas = None,
    table: _Tables = None,
    yes: _Yes = False,
    output: _Output = Path("rtp.yaml"),
    force: _Force = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Look at a live database and propose what to watch: TVL, prices, yields, volumes and the like, with reasons.

    It only reads: names, types, keys, sizes, statistics, and some rows of each table. Of each proposal it asks whether
    to watch it; Enter takes it as it is. Then it writes a settings file with remarks, and tells which rights rtp's role
    lacks and what to do next. With --json it prints what it has found, asks nothing, and writes only with --yes.

    Example: [bold]rtp init --postgres-dsn postgresql://rtp_owner@localhost/defi --schema analytics[/]
    """
    writes = yes or not as_json
    if writes:
        check_free(output, force=force)
    settings = use_demo_if_unnamed(settings_from(None, stack=stack, postgres__dsn=postgres_dsn), "PostgreSQL")
    with connection_to(settings) as connection:
        picture = _looked_at(connection, schema or (), table or ())
        found = propose(picture)
        found = replace(found, watches=_with_thresholds(connection, found.watches))
        if not as_json:
            show_all(picture, found, is_brief=not yes)
        if not found.watches:
            raise _nothing(picture, found)
        watches = found.watches if yes or as_json else ask(found.watches)
        if writes:
            write(output, settings_text(watches, picture.database), force=force)
        grants, problems = _checked(connection, output) if writes else ([], [])
    if as_json:
        print_json(_document(picture, found, output if writes else None, grants, problems))
    else:
        show_outcome(output, watches, picture.role, grants, problems)
    if problems:
        raise typer.Exit(1)


def _looked_at(connection: Connection, schemas: Sequence[str], tables: Sequence[str]) -> Picture:
    with _progress() as tell:
        return look(connection, schemas=schemas, tables=tables, on_progress=tell)


def _with_thresholds(connection: Connection, watches: Sequence[WatchProposal]) -> tuple[WatchProposal, ...]:
    with _progress() as tell:
        done = []
        for place, one in enumerate(watches):
            tell(place, len(watches), f"thresholds of {one.name}")
            done.append(with_thresholds(connection, one))
        return tuple(done)


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, with what is looked at; silence elsewhere."""
    if not err.is_terminal:
        yield lambda _done, _all, _what: None
        return
    with Progress(BarColumn(), TextColumn("{task.description}", markup=False), console=err, transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, all_, what: bar.update(task, completed=done, total=all_, description=what)


def _nothing(picture: Picture, found: Proposals) -> SettingsError:
    if found.unfit:
        return SettingsError("nothing can be watched as it is", "What would help stands above")
    tables = counted(len(picture.tables), "table")
    return SettingsError(
        "nothing here looks like TVL, a price, a yield, a volume, fees, a supply, a funding rate or a utilisation:"
        f" {tables} of database {picture.database} looked at",
        "Name your columns yourself in a copy of configs/default.yaml",
    )


def _checked(connection: Connection, output: Path) -> tuple[list[Grant], list[str]]:
    """What rtp's role lacks for the file as it was written, and what else `rtp validate` would say of the database."""
    settings = load_settings(output, environ=os.environ, options={})
    with own_transaction(connection, "READ ONLY"):
        problems = [
            str(one) for one in validate(connection, settings) if not one.remedy.startswith("As its owner: GRANT")
        ]
        return lacking_grants(connection, settings), problems


def _document(
    picture: Picture, found: Proposals, output: Path | None, grants: Sequence[Grant], problems: Sequence[str]
) -> dict[str, Any]:
    return {
        "database": picture.database,
        "role": picture.role,
        "rates_since": picture.counted_since and picture.counted_since.isoformat(),
        "proposals": [
            {
                "name": one.name,
                "place": one.place,
                "looks_like": one.title,
                "reason": one.reason,
                "notes": one.notes,
                "watch": one.watch,
                "kind": one.kind,
            }
            for one in found.watches
        ],
        "unfit": [vars(one) for one in found.unfit],
        "plain": found.plain,
        "file": None if output is None else str(output),
        "grants": [vars(grant) for grant in grants],
        "problems": problems,
    }
