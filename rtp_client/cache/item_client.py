"""The client for DynamoDB, and its errors in words that hold no secret. boto3 is an extra, and slow to import."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rtp_client.errors import ServiceUnavailable, SettingsError, one_line
from rtp_client.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from rtp_client.cache.item_table import DynamoDb


def make_client(where: DynamoDb) -> DynamoDBClient:
    """A client that may be used by any thread. Raises SettingsError where none can be made."""
    try:
        from boto3.session import Session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("reading DynamoDB needs boto3, which is missing", 'pip install "defi-rtp[aws]"') from error
    wait = where.timeout_seconds
    config = Config(retries={"total_max_attempts": 2}, connect_timeout=wait, read_timeout=wait)
    try:
        return Session().client("dynamodb", endpoint_url=where.endpoint_url, region_name=where.region, config=config)
    except (BotoCoreError, ValueError) as error:
        cause = type(error).__name__
        raise SettingsError(f"DynamoDB cannot be used: {cause}", "Look at AWS_REGION and the endpoint's URL") from None


@contextmanager
def dynamodb_errors(client: DynamoDBClient, table: str) -> Iterator[None]:
    """Turn the errors of requests for a table into ServiceUnavailable."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        said: Any = error.response.get("Error", {})
        words = f"{said.get('Code', '')}: {said.get('Message', '')}".partition(" The Canonical String")[0]
        raise refused(client, table, one_line(RuntimeError(words))) from error
    except BotoCoreError as error:  # its own words may quote headers, with the signature in them
        raise ServiceUnavailable("DynamoDB", redact(client.meta.endpoint_url), type(error).__name__) from error


def refused(client: DynamoDBClient, table: str, cause: str) -> ServiceUnavailable:
    """What is raised where DynamoDB answers that it will not, or not now."""
    return ServiceUnavailable("DynamoDB", redact(client.meta.endpoint_url), f"table {table}: {cause}", what="refuses")
