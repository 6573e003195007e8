"""`rtp install-triggers`: put rtp's schema and triggers into the database."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table
from rich.text import Text

from cli.database import connection_to
from cli.dry_run import DryRun, WithSql, refuse_sql_alone, show_dry_run
from cli.event_line import printable
from cli.next_command import next_command
from cli.options import AsJson, Config, PostgresDsn, settings_from
from cli.output import err, out, print_json
from triggers.installer import apply, is_held_up, plan_installation
from triggers.steps import Action

if TYPE_CHECKING:
    from collections.abc import Mapping


def install_triggers(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    dry_run: DryRun = False,
    with_sql: WithSql = False,
    as_json: AsJson = False,
) -> None:
    """Install or update rtp's schema and the triggers of the watched tables, in one transaction.

    Running it again changes nothing, or only what the settings have changed. With --dry-run it shows on one page what
    would change. Exit code 1 where a watch is held up, as a right on its table or a new partition is lacking: all else
    is installed.

    Example: [bold]rtp install-triggers --config rtp.yaml --postgres-dsn postgresql://localhost/defi[/]
    """
    refuse_sql_alone(dry_run=dry_run, with_sql=with_sql)
    settings = settings_from(config, postgres__dsn=postgres_dsn)
    with connection_to(settings) as connection:
        steps = plan_installation(connection, settings)
        if dry_run:
            show_dry_run(connection, steps, with_sql=with_sql, as_json=as_json)
        else:
            apply(connection, steps)
            show_actions([step.action for step in steps], as_json=as_json)
    if is_held_up(steps):
        raise typer.Exit(1)
    if any(step.action.what != "unchanged" for step in steps) and not dry_run and not as_json:
        out.print(f"Next: {next_command('run', config)}", markup=False, soft_wrap=True)


def show_actions(actions: list[Action], *, as_json: bool, more: Mapping[str, Any] = MappingProxyType({})) -> None:
    """What was done: a table, or a JSON document, which holds `more` besides."""
    if as_json:
        print_json({"actions": [vars(action) for action in actions], **more})
        return
    if not actions:
        err.print("There was nothing to do.")
        return
    table = Table("", "What", "Detail", box=None, pad_edge=False)
    for action in actions:
        table.add_row(*(Text(printable(part)) for part in (action.what, action.subject, action.detail)))
    out.print(table)
