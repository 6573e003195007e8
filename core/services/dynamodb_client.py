"""boto3's clients for DynamoDB's tables and their streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from core.services.aws_words import no_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

    from core.settings.models import Settings


def dynamodb_clients(
    settings: Settings, *, timeout_seconds: float | None = None
) -> tuple[DynamoDBClient, DynamoDBStreamsClient]:
    """Clients that leave retrying to rtp, and wait as long as the settings say or this call. Raises SettingsError."""
    wait = timeout_seconds or settings.dynamodb.timeout_seconds
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=wait, read_timeout=wait)
    url, region = settings.dynamodb.endpoint_url, settings.dynamodb.region or settings.sqs.region
    try:
        return (
            boto3.client("dynamodb", endpoint_url=url, region_name=region, config=config),
            boto3.client("dynamodbstreams", endpoint_url=url, region_name=region, config=config),
        )
    except (BotoCoreError, ValueError) as error:
        raise no_client("DynamoDB", error, section="dynamodb") from None
