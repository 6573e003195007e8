"""`rtp run`: the processor in the foreground, alone or with the embedded stack and a feed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.demo import DemoOptions, run_demo
from cli.options import (
    AsJson,
    Config,
    PostgresDsn,
    RedisUrl,
    SqsEndpointUrl,
    SqsQueue,
    parse_duration,
    settings_from,
)
from cli.output import print_problem
from cli.processor import Ending, LineView, run_processor
from cli.signals import terminate_like_ctrl_c
from core.errors import SettingsError
from core.wiring import build_pipeline

Demo = Annotated[
    bool, typer.Option("--demo", help="Bring everything along: PostgreSQL, Redis, SQS, demo tables and a feed.")
]
Feed = Annotated[
    Path | None, typer.Option("--feed", help="With --demo: replay this CSV of real history, not the simulator.")
]
Speed = Annotated[str, typer.Option(help="With --feed: how fast history runs; 1x, 60x, or max.")]
Seed = Annotated[int, typer.Option(help="With --demo: the simulated market's seed.")]
Rate = Annotated[float, typer.Option(min=0.1, max=100_000, help="With --demo: the simulator's updates per second.")]
For = Annotated[
    float | None,
    typer.Option("--for", parser=parse_duration, metavar="DURATION", help="End by itself after this: 30s."),
]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End by itself once there is nothing left to deliver.")]


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
    speed: Speed = "60x",
    seed: Seed = 1,
    rate: Rate = 200,
    as_json: AsJson = False,
) -> None:
    """Deliver significant changes to Redis and SQS until stopped; Ctrl-C finishes the batch in hand.

    On a terminal it shows a live status, elsewhere one JSON line per interval.

    Examples:
    [bold]rtp run --config rtp.yaml[/]

    [bold]rtp run --demo --for 30s[/]

    [bold]rtp run --demo --feed history.csv --speed max --until-idle[/]
    """
    ending = Ending(for_, until_idle)
    with terminate_like_ctrl_c():
        if demo:
            given = {"--postgres-dsn": postgres_dsn, "--redis-url": redis_url, "--sqs-endpoint-url": sqs_endpoint_url}
            _refuse({name: "--demo brings its own servers" for name, value in given.items() if value})
            run_demo(DemoOptions(config, feed, speed, seed, rate), ending, as_json=as_json)
            return
        _refuse({"--feed": "it needs --demo"} if feed else {})
        settings = settings_from(
            config,
            postgres__dsn=postgres_dsn,
            redis__url=redis_url,
            sqs__endpoint_url=sqs_endpoint_url,
            sqs__queue=sqs_queue,
        )
        view = LineView(as_json=as_json)
        pipeline = build_pipeline(settings, on_problem=print_problem)
        run_processor(pipeline, settings, view, ending)


def _refuse(reasons: dict[str, str]) -> None:
    for option, reason in reasons.items():
        raise SettingsError(f"option {option} does not fit here: {reason}")
