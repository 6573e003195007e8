"""What a dry run shows: one page for whoever has to approve it, or all of the SQL."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import err, out, print_json
from cli.tables import new_table
from core.errors import SettingsError
from core.inspection.document import as_document
from core.problem import counted
from triggers.installer import LOCK_TIMEOUT, render
from triggers.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg import Connection

    from triggers.steps import Step
    from triggers.summary import Summary, TableSummary

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change: tables, triggers, functions, locks. Change nothing.")
]
WithSql = Annotated[bool, typer.Option("--sql", help="With --dry-run: print all of the SQL that would run.")]


def refuse_sql_alone(*, dry_run: bool, with_sql: bool) -> None:
    """Raises SettingsError where SQL is asked for without --dry-run, which does not say whether it is to be run."""
    if with_sql and not dry_run:
        raise SettingsError("option --sql goes with --dry-run", "Say --dry-run --sql")


def show_dry_run(connection: Connection, steps: Sequence[Step], *, with_sql: bool, as_json: bool) -> None:
    """The page, or with `with_sql` the SQL, in one transaction as it would be run; either as a JSON document, too."""
    if with_sql:
        text = render(connection, steps)
        print_json({"sql": text}) if as_json else sys.stdout.write(f"{text}\n")
        return
    summary = summarise(connection, steps)
    if as_json:
        print_json(as_document(summary) | {"lock_timeout": LOCK_TIMEOUT})
    else:
        _print(summary)


def _print(summary: Summary) -> None:
    if not summary.actions:
        err.print("There is nothing to do.")
        return
    rows = ((action.what, action.subject, action.detail) for action in summary.actions)
    out.print(new_table("What would change, in one transaction", "", "What", "Detail", rows=rows))
    if summary.tables:
        headers = ("Table", "Triggers", "Lock until the end", "Keeps out", "Rows", "Bytes")
        out.print(new_table("Your tables", *headers, rows=map(_row, _alike(summary.tables))))
    for line in _functions(summary):
        out.print(line, markup=False)
    err.print(f"A lock that is not had within {LOCK_TIMEOUT} undoes all of it. --sql prints the SQL.")


def _alike(tables: Sequence[TableSummary]) -> Iterator[Sequence[TableSummary]]:
    """The partitions of a table, of which there may be hundreds, are told of as one."""

    def what_happens(table: TableSummary) -> tuple[object, ...]:
        return tuple(table.makes), tuple(table.drops), table.is_read

    for _, found in groupby(tables, key=what_happens):
        yield list(found)


def _row(tables: Sequence[TableSummary]) -> tuple[object, ...]:
    first, more = tables[0], f" and {len(tables) - 1:,} more" if len(tables) > 1 else ""
    triggers = [f"{sign} {_names(names)}" for sign, names in (("+", first.makes), ("-", first.drops)) if names]
    return (
        f"{first.table}{more}",
        ", ".join(triggers),
        f"{first.lock}{', all rows are read' if first.is_read else ''}",
        first.keeps_out,
        _sum(table.rows for table in tables),
        _sum(table.bytes for table in tables),
    )


def _names(triggers: Sequence[str]) -> str:
    """As a shell would write them: `rtp_tvl_{insert,update}`."""
    watches = groupby(triggers, key=lambda name: name.rpartition("_")[0])
    lists = [(watch, [name.rpartition("_")[2] for name in names]) for watch, names in watches]
    return ", ".join(
        f"{watch}_{{{','.join(ends)}}}" if len(ends) > 1 else f"{watch}_{ends[0]}" for watch, ends in lists
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _functions(summary: Summary) -> Iterator[str]:
    for sign, names in (("+", summary.makes_functions), ("-", summary.drops_functions)):
        if names:
            yield f"\nFunctions in the schema rtp: {', '.join(f'{sign} {name}' for name in names)}"
    if summary.shared_functions:
        yield f"\n{counted(len(summary.shared_functions), 'function')} that these share, which nobody else may call"
