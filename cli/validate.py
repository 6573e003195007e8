"""`rtp validate`: would these settings work? Looks at everything, touches nothing."""

from __future__ import annotations

import typer

from cli.database import connection_to
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, SqsQueue, settings_from
from cli.output import out, print_json, print_problem
from core.errors import RtpError
from core.settings import Settings
from core.wiring import build_sinks
from triggers.validator import validate as find_problems


def validate(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    sqs_queue: SqsQueue = None,
    as_json: AsJson = False,
) -> None:
    """Check the settings against the live database and the sinks, without changing anything.

    Exit code 0: all is well; 2: something is not, with a line for each.

    Example: [bold]rtp validate --config rtp.yaml[/]
    """
    settings = settings_from(
        config,
        postgres__dsn=postgres_dsn,
        redis__url=redis_url,
        sqs__endpoint_url=sqs_endpoint_url,
        sqs__queue=sqs_queue,
    )
    problems = [*_database_problems(settings), *_sink_problems(settings)]
    if as_json:
        print_json({"valid": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            print_problem(problem, style="red")
    else:
        out.print(f"All is well: {len(settings.watches)} watches, and every service answers.")
    if problems:
        raise typer.Exit(2)


def _database_problems(settings: Settings) -> list[str]:
    try:
        with connection_to(settings) as connection:
            connection.execute("SET default_transaction_read_only TO on")
            return list(map(str, find_problems(connection, settings)))
    except RtpError as error:
        return [str(error)]


def _sink_problems(settings: Settings) -> list[str]:
    problems = []
    try:
        sinks = build_sinks(settings)
    except RtpError as error:
        return [str(error)]
    for sink in sinks:
        try:
            sink.open()
        except RtpError as error:
            problems.append(str(error))
        finally:
            sink.close()
    return problems
