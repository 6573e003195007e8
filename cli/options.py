"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.option_values import duration
from cli.running_demo import use_demo_named
from core.errors import SettingsError

if TYPE_CHECKING:
    from core.settings.models import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (YAML). Default: rtp's own configs/default.yaml.")
]
PostgresDsn = Annotated[str | None, typer.Option(help="PostgreSQL DSN. Environment: RTP_POSTGRES_DSN.")]
RedisUrl = Annotated[str | None, typer.Option(help="Redis URL. Environment: RTP_REDIS_URL.")]
SqsEndpointUrl = Annotated[str | None, typer.Option(help="SQS endpoint. Environment: RTP_SQS_ENDPOINT_URL.")]
SqsQueue = Annotated[str | None, typer.Option(help="SQS FIFO queue's name. Environment: RTP_SQS_QUEUE.")]
Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        help="Answer /metrics, /healthz and /readyz here, e.g. 127.0.0.1:9464. Environment: RTP_HTTP_LISTEN.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]

Every = Annotated[
    float | None,
    typer.Option(
        "--every",
        parser=duration("--every"),
        metavar="DURATION",
        help="Look again and again, until Ctrl-C: 2s. On a terminal it stays in place.",
    ),
]

For = Annotated[
    float | None,
    typer.Option("--for", parser=duration("--for"), metavar="DURATION", help="End by itself after this: 30s."),
]

Stack = Annotated[
    str | None,
    typer.Option(
        "--stack", metavar="NAME", help="Look at this `rtp run --demo`, by the name that it tells. Default: the newest."
    ),
]
_SERVERS = ("postgres.dsn", "redis.url", "sqs.endpoint_url", "sqs.queue")


def settings_from(config: Path | None, *, stack: str | None = None, **options: str | None) -> Settings:
    """Settings from file, environment and options; an option's name is the setting's, with `__` for the dot.

    With a stack, its servers are looked at, whatever file and environment say. Raises SettingsError where there is none
    of that name, or another option names a server.
    """
    from core.sinks.settings import load_settings  # noqa: PLC0415 - slow to import, and `--help` needs none of it

    dotted = {name.replace("__", "."): value for name, value in options.items()}
    settings = load_settings(config, environ=os.environ, options=dotted)
    if stack is None:
        return settings
    for name in _SERVERS:
        if dotted.get(name) is not None:
            option = name.replace(".", "-").replace("_", "-")
            raise SettingsError(f"option --{option} does not fit here: --stack brings its own servers")
    return use_demo_named(settings, stack)
