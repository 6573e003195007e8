"""`rtp run`: the processor in the foreground, alone or with the embedded stack and a feed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.demo_options import DemoOptions
from cli.ending import Ending
from cli.gateway import Listen
from cli.logs import LogFormat, LogLevel, logging_as
from cli.next_command import next_command
from cli.option_values import per_second, whole_number
from cli.options import (
    AsJson,
    Config,
    For,
    Http,
    PostgresDsn,
    RedisUrl,
    SqsEndpointUrl,
    SqsQueue,
    settings_from,
)
from cli.signals import noting_signals
from core.errors import SettingsError

if TYPE_CHECKING:
    import threading

DEFAULT_SPEED, DEFAULT_SEED, DEFAULT_RATE = "60x", 1, 200


Demo = Annotated[
    bool, typer.Option("--demo", help="Bring everything along: PostgreSQL, Redis, SQS, demo tables and a feed.")
]
Feed = Annotated[
    Path | None, typer.Option("--feed", help="With --demo: replay this CSV of real history, not the simulator.")
]
Speed = Annotated[
    str | None, typer.Option(help=f"With --feed: how fast history runs; 1x, 60x, or max. Default: {DEFAULT_SPEED}.")
]
Seed = Annotated[
    int | None,
    typer.Option(
        parser=whole_number("--seed", 0),
        metavar="N",
        help=f"With --demo: the market's seed. Default: {DEFAULT_SEED}.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        parser=per_second("--rate", 0.1, 100_000, "updates"),
        metavar="N",
        help=f"With --demo: the market's updates per second. Default: {DEFAULT_RATE}.",
    ),
]
Plain = Annotated[
    bool, typer.Option("--plain", help="With --demo at a terminal: a line an event, not the board of rtp top.")
]
Serve = Annotated[
    bool, typer.Option("--serve", help="Serve events and the page, too, as rtp serve does: for small installations.")
]
Notify = Annotated[
    bool, typer.Option("--notify", help="Tell people, too, as rtp notify does; with --demo a catcher on this machine.")
]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End by itself once there is nothing left to deliver.")]

Source = Annotated[
    Literal["postgres", "dynamodb"],
    typer.Option(help="Where changes come from: the triggers' log, or the streams of dynamodb.tables."),
]


def run(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    sqs_queue: SqsQueue = None,
    for_: For = None,
    until_idle: UntilIdle = False,
    demo: Demo = False,
    feed: Feed = None,
    speed: Speed = None,
    seed: Seed = None,
    rate: Rate = None,
    plain: Plain = False,
    http: Http = None,
    serve: Serve = False,
    listen: Listen = None,
    notify: Notify = False,
    source: Source = "postgres",
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    as_json: AsJson = False,
) -> None:
    """Deliver significant changes to Redis, SQS and webhooks until stopped; Ctrl-C finishes the batch in hand.

    On a terminal it shows a live status, elsewhere one JSON line per interval. A second one on the same database stands
    by and takes over when the first is gone; with --until-idle, too, it waits for its turn. Exit code 1 where that, or
    --for, ends without having reached a service, or after a minute in which nothing could be delivered.

    Examples:
    [bold]rtp run --config rtp.yaml[/]

    [bold]rtp run --serve --notify --config rtp.yaml[/]

    [bold]rtp run --source dynamodb --config rtp.yaml[/]

    [bold]rtp run --demo --for 30s[/]

    [bold]rtp run --demo --feed history.csv --speed max --until-idle[/]
    """
    from cli.processing import process  # noqa: PLC0415 - slow to import, and `--help` needs none of it

    ending = Ending(for_, until_idle)
    with logging_as(log_format, log_level), noting_signals() as stop_requested:
        if not serve:
            _refuse("it needs --serve", listen=listen)
        if demo:
            _refuse(
                "--demo brings its own servers",
                postgres_dsn=postgres_dsn,
                redis_url=redis_url,
                sqs_endpoint_url=sqs_endpoint_url,
                sqs_queue=sqs_queue,
            )
            options = _demo_options(config, feed, speed, seed, rate, http)
            options = replace(options, is_plain=plain, serves=serve, listen=listen, notifies=notify)
            _run_demo(options, ending, stop_requested, as_json=as_json)
            return
        _refuse("it needs --demo", feed=feed, speed=speed, seed=seed, rate=rate, plain=plain or None)
        settings = settings_from(
            config,
            postgres__dsn=postgres_dsn,
            redis__url=redis_url,
            sqs__endpoint_url=sqs_endpoint_url,
            sqs__queue=sqs_queue,
            http__listen=http,
            serve__listen=listen,
        )
        process(
            settings,
            source,
            ending,
            stop_requested,
            serves=serve,
            notifies=notify,
            as_json=as_json,
            next_command=next_command("tail", config),
        )


def _run_demo(options: DemoOptions, ending: Ending, stop_requested: threading.Event, *, as_json: bool) -> None:
    try:
        from cli.demo import run_demo  # noqa: PLC0415 - its servers and boto3 are an extra
    except ImportError as error:
        raise SettingsError("--demo needs what is not installed here", 'pip install "defi-rtp[embedded]"') from error
    run_demo(options, ending, stop_requested, as_json=as_json)


def _demo_options(
    config: Path | None,
    feed: Path | None,
    speed: str | None,
    seed: int | None,
    rate: float | None,
    http: str | None,
) -> DemoOptions:
    if feed is None:
        _refuse("it needs --feed", speed=speed)
    else:
        _refuse("it is the simulated market's, and --feed replaces that", seed=seed, rate=rate)
    return DemoOptions(
        config,
        feed,
        DEFAULT_SPEED if speed is None else speed,
        DEFAULT_SEED if seed is None else seed,
        DEFAULT_RATE if rate is None else rate,
        http,
    )


def _refuse(reason: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise SettingsError(f"option --{name.replace('_', '-')} does not fit here: {reason}")
