"""`rtp uninstall-triggers`: take everything of rtp's out of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.database import connection_to
from cli.install_triggers import show_actions, show_sql
from cli.options import AsJson, Config, PostgresDsn, settings_from
from triggers.installer import apply, plan_removal, render


def uninstall_triggers(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL that would run; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove rtp's triggers and its schema, with the log, in one transaction. Your own tables stay as they are.

    Example: [bold]rtp uninstall-triggers --postgres-dsn postgresql://localhost/defi[/]
    """
    settings = settings_from(config, postgres__dsn=postgres_dsn)
    with connection_to(settings) as connection:
        steps = plan_removal(connection)
        if dry_run:
            show_sql(render(connection, steps), as_json=as_json)
            return
        apply(connection, steps)
    show_actions([step.action for step in steps], as_json=as_json)
