"""What the commands of a stream source look at: tables, streams, and the Redis that holds what is remembered."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.handler.baselines import Baselines, redis_url_of
from core.handler.images import watched_tables
from core.sinks.sink_type import needing
from rtp_client.redact import redact
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

    from core.settings.models import Settings


@dataclass(frozen=True)
class StreamServices:
    """Clients of all of it; `address` is Redis's, for people."""

    settings: Settings
    dynamodb: DynamoDBClient
    streams: DynamoDBStreamsClient
    store: redis.Redis
    baselines: Baselines
    address: str


@contextmanager
def stream_services(settings: Settings) -> Iterator[StreamServices]:
    """The settings' services. Raises SettingsError where they name no table or no Redis, or boto3 is missing."""
    watched_tables(settings)
    url, wait = redis_url_of(settings.redis), settings.redis.timeout_seconds
    with needing("aws", "the streams are DynamoDB's"):
        from core.services.dynamodb_client import dynamodb_clients  # noqa: PLC0415 - boto3 is an extra
    dynamodb, streams = dynamodb_clients(settings)
    with (
        closing(dynamodb),
        closing(streams),
        closing(redis_client(url, client_name="rtp-cli", timeout_seconds=wait, retries=1)) as store,
        closing(Baselines(settings.redis, url=url)) as baselines,
    ):
        yield StreamServices(settings, dynamodb, streams, store, baselines, redact(url))
