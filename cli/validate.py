"""`rtp validate`: would these settings work? Looks at everything, touches nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import connection_to
from cli.destinations import destinations_table, sample_destinations
from cli.gateway import serve_warnings
from cli.notify.checks import notify_findings
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, SqsQueue, Stack, settings_from
from cli.output import out, print_json, print_problem
from cli.running_demo import use_demo_if_running
from cli.source import Source, is_streams
from core.errors import SettingsError
from core.inspection.stream_checkup import check_streams
from core.problem import counted
from triggers.checkup import Checkup, check_up
from triggers.rights import script

if TYPE_CHECKING:
    from core.settings.models import Settings

_Installed = Annotated[
    bool, typer.Option("--installed", help="Also compare with what is installed; exit code 1 where it differs.")
]


def validate(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    sqs_queue: SqsQueue = None,
    source: Source = None,
    installed: _Installed = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Check the settings against the live database and the sinks, without changing anything.

    Without an address it looks at a running [bold]rtp run --demo[/], where there is one.
    Exit code 0: these settings can be installed; 2: they cannot, with a line for each reason; 1, with --installed: they
    can, but what is installed is not what they say, or a watch is not armed, which it tells of in any case.
    Of a stream source it checks tables, streams, keys, some items, rights, queues and Redis.

    Example: [bold]rtp validate --config rtp.yaml --installed[/]
    """
    settings = settings_from(
        config,
        stack=stack,
        postgres__dsn=postgres_dsn,
        redis__url=redis_url,
        sqs__endpoint_url=sqs_endpoint_url,
        sqs__queue=sqs_queue,
    )
    if is_streams(settings, source):
        if installed:
            raise SettingsError("option --installed does not fit here: a stream source has no triggers")
        seen = check_streams(settings)
        found = Checkup(seen.problems, seen.warnings, notes=seen.notes)
    else:
        if sqs_endpoint_url is None and sqs_queue is None:
            settings = use_demo_if_running(settings)
        found = check_up(settings, partial(connection_to, settings), compares_installed=installed)
    problems, warnings = notify_findings(settings)
    found = replace(
        found,
        problems=[*found.problems, *problems],
        warnings=[*found.warnings, *serve_warnings(settings), *warnings],
    )
    if as_json:
        compared = {"drift": None if found.drift is None else list(map(vars, found.drift))} if installed else {}
        verdict = {"valid": not found.problems, "problems": found.problems, "warnings": found.warnings}
        verdict |= {"grants": [vars(grant) for grant in found.grants]}
        verdict |= {"notes": found.notes, "unarmed": found.unarmed}
        print_json(verdict | {"destinations": [] if found.problems else sample_destinations(settings)} | compared)
    else:
        _show(settings, found)
    if found.problems or found.drift or (installed and found.unarmed):
        raise typer.Exit(2 if found.problems else 1)


def _show(settings: Settings, found: Checkup) -> None:
    for problem in found.problems:
        print_problem(problem, style="red")
    # For the clipboard, or for psql: on standard output, where nothing else is.
    sys.stdout.write("".join(f"{line}\n" for line in script(found.grants)))
    for action in found.drift or ():
        print_problem(
            f"{action.subject}: not as the settings say. `rtp install-triggers`: {action.what}, {action.detail}"
        )
    for line in found.unarmed:
        print_problem(line)
    if not found.problems and not found.drift and not found.unarmed:
        if settings.routes:
            out.print(destinations_table(settings))
        watches = counted(len(settings.watches), "watch", "watches")
        out.print(f"All is well: {watches}, and every service answers.")
    for note in found.notes:
        print_problem(f"note: {note}", style="dim")
    for warning in found.warnings:
        print_problem(f"warning: {warning}")
