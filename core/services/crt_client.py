"""SQS with awscrt, AWS's own C library: signing and HTTP take a quarter of the CPU that boto3's take.

Credentials are botocore's, with its whole chain and its refreshing. So are the endpoint, the certificates that are
trusted, what an error of SQS means, and the exceptions.
"""

from __future__ import annotations

import json
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig, aws_sign_request
from awscrt.http import HttpHeaders, HttpRequest
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError
from botocore.parsers import create_parser

from core.services.crt_connections import FAILURES, CrtConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchResultTypeDef

    from core.services.crt_connections import CrtAnswer


class CrtClient:
    """A stand-in for boto3's client where batches are sent. For threads: as many connections as calls at a time."""

    def __init__(
        self,
        client: SQSClient,
        *,
        wait_seconds: float,
        find_credentials: Callable[[], Credentials | None],
        trusted: Path,
    ) -> None:
        self.meta = client.meta
        self.get_queue_url = client.get_queue_url
        self._client = client
        self._wait_seconds = wait_seconds
        self._find_credentials = find_credentials
        self._address = urlsplit(client.meta.endpoint_url)
        self._connections = CrtConnections(client.meta.endpoint_url, wait_seconds=wait_seconds, trusted=trusted)

    def send_message_batch(self, **request: Any) -> SendMessageBatchResultTypeDef:
        """As boto3's."""
        answer: SendMessageBatchResultTypeDef = self.call("SendMessageBatch", request)
        return answer

    def call(self, operation: str, request: Mapping[str, Any]) -> Any:
        """What SQS answers. Raises ClientError where it refuses, BotoCoreError where there is no answer.

        ConnectionClosedError may be of a connection that was kept, and that the server closed a moment ago.
        """
        # Signed before there is a connection: what a stopped process sends much later is too old by its signature.
        signed = self._signed(operation, msgspec.json.encode(request))
        answer = self._connections.exchange(signed)
        if answer.status >= 300:
            raise self._refusal(operation, answer)
        return json.loads(answer.body)

    def close(self) -> None:
        """Close the connections that are not in use. The client can be used again and makes new ones then."""
        self._client.close()
        self._connections.close_idle()

    def _signed(self, operation: str, body: bytes) -> HttpRequest:
        if (found := self._find_credentials()) is None:
            raise NoCredentialsError
        headers = [
            ("Host", self._address.netloc.rpartition("@")[2].lower()),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(body))),
            ("X-Amz-Target", f"AmazonSQS.{operation}"),
            ("x-amzn-query-mode", "true"),  # an error has its old code, too, as boto3 tells it
            ("User-Agent", "rtp"),
        ]
        request = HttpRequest("POST", self._address.path or "/", HttpHeaders(headers), BytesIO(body))
        provider = _provider(found.get_frozen_credentials())
        how = AwsSigningConfig(credentials_provider=provider, region=self.meta.region_name, service="sqs")
        try:
            aws_sign_request(request, how).result(self._wait_seconds)
        except FAILURES as error:
            raise HTTPClientError(error=error) from error
        return request

    def _refusal(self, operation: str, answer: CrtAnswer) -> ClientError:
        service = self.meta.service_model
        named = {name.lower(): value for name, value in answer.headers}
        said = {"status_code": answer.status, "headers": named, "body": answer.body, "context": {}}
        parser = create_parser(service.resolved_protocol)
        parsed = parser.parse(said, service.operation_model(operation).output_shape)  # type: ignore[arg-type]
        return ClientError(parsed, operation)


@lru_cache(4)
def _provider(credentials: ReadOnlyCredentials) -> AwsCredentialsProvider:
    return AwsCredentialsProvider.new_static(credentials.access_key, credentials.secret_key, credentials.token)
