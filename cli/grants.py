"""`rtp grants`: what rtp's role needs in the database, as SQL for those who may grant it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from psycopg import sql

from cli.database import connection_to
from cli.options import AsJson, Config, PostgresDsn, Stack, settings_from
from cli.output import print_json, print_problem
from cli.running_demo import use_demo_if_unnamed
from core.services.postgres import own_transaction
from triggers.catalog import has_role, read_oids, read_server
from triggers.rights import grants_for, script

_Role = Annotated[
    str | None, typer.Option("--role", metavar="NAME", help="For this role. Default: the one that connects.")
]


def grants(
    role: _Role = None,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Print what a role needs to install, run and remove the watches, as one block of SQL; grants nothing itself.

    It names each table and each partition, and who may grant it. What the role has already stands there as a comment.

    Example: [bold]rtp grants --role rtp_owner --config rtp.yaml | psql defi[/]
    """
    settings = use_demo_if_unnamed(settings_from(config, stack=stack, postgres__dsn=postgres_dsn), "PostgreSQL")
    with connection_to(settings) as connection, own_transaction(connection, "READ ONLY"):
        name = role or read_server(connection).role
        is_there = has_role(connection, name)
        found = grants_for(connection, settings, name)
        there = read_oids(connection, [watch.table_parts for watch in settings.watches.values()])
        missing = [watch.table for watch in settings.watches.values() if watch.table_parts not in there]
    if as_json:
        print_json({"role": name, "exists": is_there, "grants": [vars(grant) for grant in found], "missing": missing})
        return
    if not is_there:
        create = sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)).as_string(None)
        sys.stdout.write(f"-- There is no such role so far: {create}\n")
    sys.stdout.write("".join(f"{line}\n" for line in script(found)))
    for table in missing:
        print_problem(f"table {table} does not exist, so nothing is granted on it")
