"""`rtp validate`: would these settings work? Looks at everything, touches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import connection_to
from cli.destinations import destinations, destinations_table
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, SqsQueue, settings_from
from cli.output import out, print_json, print_problem
from core.errors import NotInstalled, RtpError
from core.inspection.entities import read_entities
from core.routes.checking import find_useless
from core.routes.unseen import find_unseen
from core.settings.models import Settings
from core.sinks.registry import build_sinks, find_weaknesses
from triggers.installer import find_drift
from triggers.validator import validate as find_problems

if TYPE_CHECKING:
    from triggers.steps import Action

_Installed = Annotated[
    bool, typer.Option("--installed", help="Also compare with what is installed; exit code 1 where it differs.")
]


def validate(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    sqs_queue: SqsQueue = None,
    installed: _Installed = False,
    as_json: AsJson = False,
) -> None:
    """Check the settings against the live database and the sinks, without changing anything.

    Exit code 0: all is well; 2: something is not, with a line for each; 1, with --installed: all is well, but
    what is installed is not what the settings say.

    Example: [bold]rtp validate --config rtp.yaml --installed[/]
    """
    settings = settings_from(
        config,
        postgres__dsn=postgres_dsn,
        redis__url=redis_url,
        sqs__endpoint_url=sqs_endpoint_url,
        sqs__queue=sqs_queue,
    )
    problems = [*_database_problems(settings), *_sink_problems(settings)]
    drift: list[Action] | None = None
    if installed and not problems:
        try:
            drift = _drift(settings)
        except RtpError as error:
            problems = str(error).splitlines()
    warnings = _warnings(settings) if not problems else []
    if as_json:
        compared = {"drift": None if drift is None else list(map(vars, drift))} if installed else {}
        found = {"valid": not problems, "problems": problems, "warnings": warnings}
        print_json(found | {"destinations": [] if problems else destinations(settings)} | compared)
    else:
        _show(settings, problems, drift or [])
        for warning in warnings:
            print_problem(f"warning: {warning}")
    if problems or drift:
        raise typer.Exit(2 if problems else 1)


def _show(settings: Settings, problems: list[str], drift: list[Action]) -> None:
    for problem in problems:
        print_problem(problem, style="red")
    for action in drift:
        print_problem(
            f"{action.subject}: not as the settings say. `rtp install-triggers`: {action.what}, {action.detail}"
        )
    if not problems and not drift:
        if settings.routes:
            out.print(destinations_table(settings))
        count = len(settings.watches)
        out.print(f"All is well: {count} {'watch' if count == 1 else 'watches'}, and every service answers.")


def _drift(settings: Settings) -> list[Action]:
    with connection_to(settings) as connection:
        connection.execute("SET default_transaction_read_only TO on")
        return find_drift(connection, settings)


def _database_problems(settings: Settings) -> list[str]:
    try:
        with connection_to(settings) as connection:
            connection.execute("SET default_transaction_read_only TO on")
            return list(map(str, find_problems(connection, settings)))
    except RtpError as error:
        return [str(error)]


def _warnings(settings: Settings) -> list[str]:
    warnings = [*find_useless(settings), *_unseen(settings)]
    return [*warnings, *find_weaknesses(settings)]


def _unseen(settings: Settings) -> list[str]:
    """The routes for which there is no row so far; as long as nothing is installed nobody can tell cheaply."""
    if not settings.routes:
        return []
    try:
        with connection_to(settings) as connection:
            return list(find_unseen(settings, read_entities(connection)))
    except NotInstalled:
        return []
    except RtpError as error:
        return [str(error)]


def _sink_problems(settings: Settings) -> list[str]:
    problems = []
    try:
        sinks = build_sinks(settings)
    except RtpError as error:
        return [str(error)]
    for sink in sinks.values():
        try:
            sink.open()
        except RtpError as error:
            problems.append(str(error))
        finally:
            sink.close()
    return problems
