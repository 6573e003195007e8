"""`rtp notify` and its options. What it does is apart from them, as all that it imports is slow to load."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.ending import Ending
from cli.logs import LogFormat, LogLevel, logging_as
from cli.notify.ack import ack_command
from cli.options import AsJson, Config, For, Http, RedisUrl, SqsEndpointUrl, Stack, settings_from
from cli.running_demo import use_demo_if_unnamed
from cli.signals import interruptible, noting_signals

_UntilIdle = Annotated[
    bool, typer.Option("--until-idle", help="End by itself once nothing is left that can be told within a minute.")
]
_From = Annotated[
    Literal["sqs", "stream"] | None,
    typer.Option(
        "--from",
        help="Take alerts from SQS, or every event from the Redis stream. Default: sqs where there is a queue.",
    ),
]
_Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue",
        metavar="NAME",
        help="Take from this queue only; may be given several times. Default: sqs.queue where that gets every alert,"
        " else all queues of the settings.",
    ),
]
_Test = Annotated[
    str | None,
    typer.Option(
        "--test",
        metavar="NAME",
        help="Only tell this destination, or all of an audience, of something that has not happened, and end.",
    ),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only print the messages that the newest events would become, and end.")
]


def notify_command(
    context: typer.Context,
    config: Config = None,
    from_: _From = None,
    queue: _Queues = None,
    for_: For = None,
    until_idle: _UntilIdle = False,
    test: _Test = None,
    is_dry_run: _DryRun = False,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    http: Http = None,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Tell people of alerts as `notify` in the settings says: Telegram, Slack, e-mail, wherever Apprise reaches.

    Each alert is told once, and in order per entity. What a service does not take waits in Redis, and is told later by
    this process or another: any number of them share the destinations. What can never be told is a dead letter: see
    [bold]rtp dlq[/]. Ctrl-C finishes the messages under way. Exit code 1 where --for or --until-idle ends without
    having reached a service, with --until-idle nothing could be told for a minute, or --test was not accepted.

    Examples:
    [bold]rtp notify --config rtp.yaml[/]

    [bold]rtp notify --test desk --config rtp.yaml[/]

    [bold]rtp notify --from stream --until-idle --config rtp.yaml[/]
    """
    if context.invoked_subcommand is not None:
        return
    from cli.notify.dry_run import dry_run  # noqa: PLC0415 - slow to import, and `--help` needs none of it
    from cli.notify.run import tell  # noqa: PLC0415 - as above
    from cli.notify.try_out import try_out  # noqa: PLC0415 - as above

    with logging_as(log_format, log_level), noting_signals() as stop_requested:
        settings = settings_from(
            config, stack=stack, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url, http__listen=http
        )
        if test is not None:
            if not try_out(settings, test, as_json=as_json):
                raise typer.Exit(1)
            return
        settings = use_demo_if_unnamed(settings, "Redis")
        if is_dry_run:
            dry_run(settings, as_json=as_json)
            return
        tell(settings, from_, queue or (), Ending(for_, until_idle), stop_requested, as_json=as_json)


notify = typer.Typer(name="notify", rich_markup_mode="rich")
notify.callback(invoke_without_command=True)(notify_command)
notify.command("ack", no_args_is_help=False)(interruptible(ack_command))
