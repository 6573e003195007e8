"""Which source a command looks at: the triggers' database, or the streams of DynamoDB's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from core.settings.models import Settings

Source = Annotated[
    Literal["postgres", "dynamodb"] | None,
    typer.Option(
        "--source",
        help="Where changes come from. Default: dynamodb where the settings name its tables and no PostgreSQL.",
    ),
]


def is_streams(settings: Settings, source: Literal["postgres", "dynamodb"] | None) -> bool:
    """Whether the command looks at streams: as it is told, else where nothing but streams is named."""
    if source is not None:
        return source == "dynamodb"
    return bool(settings.dynamodb.tables) and not settings.postgres.dsn


def is_notify_alone(settings: Settings) -> bool:
    """Whether there is nothing to look at but who is told: as on a machine that runs nothing but `rtp notify`."""
    return bool(settings.notify and settings.redis.url) and not settings.postgres.dsn
