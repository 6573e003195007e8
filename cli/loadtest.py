"""`rtp loadtest`: does it hold, where does it break, what is slow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.option_values import duration, per_second, whole_number
from cli.options import Config, PostgresDsn, RedisUrl, SqsEndpointUrl, SqsQueue, settings_from
from cli.signals import ENDED_EARLY, noting_signals
from core.errors import Cancelled, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MISSING = "rtp loadtest needs what is not installed here"
_REMEDY = 'pip install "defi-rtp[loadtest,embedded]"'


_Scenario = Annotated[
    str, typer.Option(metavar="NAME", help="What is written: steady, bulk, append, burst, crash or soak.")
]
_Rate = Annotated[
    float | None,
    typer.Option(
        parser=per_second("--rate", 1, 200_000, "rows"),
        metavar="N",
        help="Rows per second. Default: the scenario's own, 1000.",
    ),
]
_Duration = Annotated[
    float | None,
    typer.Option(
        parser=duration("--duration", 1, 86_400, " from 1s to 24h,"),
        metavar="DURATION",
        help="Measure for this long: 60s, after a warm-up. Default: the scenario's.",
    ),
]
_Embedded = Annotated[
    bool, typer.Option("--embedded", help="On a stack of its own. The default where no PostgreSQL is configured.")
]
_Own = Annotated[
    bool, typer.Option("--i-own-this-target", help="Also where the configured stack is not on this machine.")
]
_Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; - prints it.")]
_Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a report to look at: one file.")]
_Web = Annotated[
    int | None,
    typer.Option(
        parser=whole_number("--web", 1, 65_535, "a port"),
        metavar="PORT",
        help="Locust's web UI, on 127.0.0.1, while it runs: 8089.",
    ),
]
_Csv = Annotated[Path | None, typer.Option(metavar="PREFIX", help="Locust's CSV files: PREFIX_stats.csv and others.")]
_FindLimit = Annotated[
    bool, typer.Option("--find-limit", help="Raise the rate until a criterion fails; say what saturates first.")
]
_Compare = Annotated[
    tuple[Path, Path] | None, typer.Option(metavar="BEFORE AFTER", help="Compare two results; runs nothing.")
]


def loadtest(
    scenario: _Scenario = "steady",
    rate: _Rate = None,
    duration: _Duration = None,
    embedded: _Embedded = False,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    sqs_queue: SqsQueue = None,
    i_own_this_target: _Own = False,
    json_file: _Json = None,
    html: _Html = None,
    web: _Web = None,
    csv: _Csv = None,
    find_limit: _FindLimit = False,
    compare: _Compare = None,
) -> None:
    """Drive the whole flow with a load, and judge it criterion by criterion; exit code 1 where one fails.

    Without a configured PostgreSQL it brings a stack of its own. On a configured one it writes to a schema and a
    watch of its own, says so before, and removes both at the end.

    Examples:
    [bold]rtp loadtest --scenario steady --rate 1000 --duration 60s --html report.html[/]

    [bold]rtp loadtest --find-limit[/]

    [bold]rtp loadtest --compare before.json after.json[/]
    """
    try:
        from cli.loadtest_run import WantedLoad, compare_files, run  # noqa: PLC0415 - the embedded stack is an extra
    except ImportError as error:
        raise SettingsError(_MISSING, _REMEDY) from error
    _refuse_what_does_not_go_together(
        {"--compare": compare is not None, "--find-limit": find_limit},
        {"--web": web, "--csv": csv, "--html": None if find_limit else html},
    )
    if compare is not None:
        compare_files(*compare, json_file)
        return
    if find_spec("locust") is None:  # not imported here: it changes the standard library for its own process
        raise SettingsError(_MISSING, _REMEDY)
    settings = settings_from(
        config,
        postgres__dsn=postgres_dsn,
        redis__url=redis_url,
        sqs__endpoint_url=sqs_endpoint_url,
        sqs__queue=sqs_queue,
    )
    if embedded and (config or postgres_dsn or redis_url or sqs_endpoint_url or sqs_queue):
        raise SettingsError("option --embedded brings its own servers: it does not go with a configured stack")
    is_embedded = embedded or (config is None and settings.postgres.dsn is None)
    wanted = WantedLoad(scenario, rate, duration, json_file, html, web, csv, find_limit)
    with noting_signals() as stop_requested:
        try:
            run(wanted, None if is_embedded else settings, stop_requested, is_owned=i_own_this_target)
        except Cancelled:
            raise typer.Exit(ENDED_EARLY) from None


def _refuse_what_does_not_go_together(modes: Mapping[str, bool], of_one_run: Mapping[str, object]) -> None:
    chosen = [mode for mode, is_on in modes.items() if is_on]
    if len(chosen) > 1:
        raise SettingsError(f"options {' and '.join(chosen)} do not go together")
    given = [option for option, value in of_one_run.items() if value is not None]
    if chosen and given:
        raise SettingsError(f"option {given[0]} is about a single run: it does not go with {chosen[0]}")
