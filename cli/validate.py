"""`rtp validate`: would these settings work? Looks at everything, touches nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, SqsQueue, Stack, settings_from
from cli.running_demo import use_demo_if_running
from cli.source import Source, is_streams
from core.errors import SettingsError

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
    looks_at_streams = is_streams(settings, source)
    if looks_at_streams and installed:
        raise SettingsError("option --installed does not fit here: a stream source has no triggers")
    if not looks_at_streams and sqs_endpoint_url is None and sqs_queue is None:
        settings = use_demo_if_running(settings)
    from cli.validate_run import show_verdict  # noqa: PLC0415 - slow to import, and `--help` needs none of it

    show_verdict(settings, looks_at_streams=looks_at_streams, compares_installed=installed, as_json=as_json)
