"""What the commands of the cache share: their options, and the services they need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.kinds import KINDS, kind_name
from cli.source import is_streams
from core.handler.items import dynamodb_of
from core.sinks.sink_type import needing
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from core.settings.models import Settings
    from rtp_client import DynamoDb


KindOption = Annotated[
    str | None, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="Only entries of this kind.")
]


def tables_of(settings: Settings, source: Literal["postgres", "dynamodb"] | None) -> DynamoDb | None:
    """The DynamoDB tables that entries are read from; None where it is PostgreSQL. Raises SettingsError."""
    if not is_streams(settings, source):
        return None
    with needing("aws", "the tables are DynamoDB's"):
        import boto3  # noqa: F401, PLC0415 - an extra, and slow to import

    return dynamodb_of(settings)


@contextmanager
def redis_of(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the settings' Redis. Raises ServiceUnavailable where it does not answer, or refuses."""
    url, wait = settings.redis.url or "", settings.redis.timeout_seconds
    with redis_errors(redact(url)), redis_client(url, client_name="rtp-cli", timeout_seconds=wait, retries=1) as client:
        yield client
