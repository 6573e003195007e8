"""DynamoDB's refusals become one clear line: the right that is missing, the table that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from core.errors import RtpError, ServiceUnavailable, SettingsError, StatementRefused
from core.handler.description import dynamodb_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def client() -> DynamoDBClient:
    return boto3.client("dynamodb", region_name="us-east-1", endpoint_url="http://127.0.0.1:1")


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Scan")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (refusal("AccessDeniedException"), StatementRefused, "these credentials lack dynamodb:Scan on tvl"),
        (refusal("ResourceNotFoundException"), SettingsError, "there is no DynamoDB table tvl in region us-east-1"),
        (refusal("ThrottlingException"), ServiceUnavailable, "DynamoDB at http://127.0.0.1:1"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), ServiceUnavailable, "http://127.0.0.1:1"),
    ],
)
def test_each_says_what_is_wrong(client: DynamoDBClient, error: Exception, kind: type[RtpError], said: str) -> None:
    with pytest.raises(kind, match=said), dynamodb_errors(client, "Scan", "tvl"):
        raise error
