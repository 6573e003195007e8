"""SQS without boto3's way of signing and sending, which takes five times the CPU.

Credentials are botocore's, with its whole chain and its refreshing. So are the endpoint, the certificates that are
trusted, what an error of SQS means, and the exceptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError
from botocore.parsers import create_parser

from core.services.http_connections import HttpConnections
from core.services.signature import signed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from botocore.credentials import Credentials
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchResultTypeDef

    from core.services.http_answer import RawAnswer

_HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amzn-query-mode": "true",  # an error has its old code, too, as boto3 tells it
}


class DirectClient:
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
        self._find_credentials = find_credentials
        address = urlsplit(client.meta.endpoint_url)
        self._path = address.path or "/"
        self._headers = {**_HEADERS, "host": address.netloc.rpartition("@")[2].lower()}
        self._connections = HttpConnections(client.meta.endpoint_url, wait_seconds=wait_seconds, trusted=trusted)

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
        return msgspec.json.decode(answer.body)

    def close(self) -> None:
        """Close the connections that are not in use. The client can be used again and makes new ones then."""
        self._client.close()
        self._connections.close_idle()

    def _signed(self, operation: str, body: bytes) -> bytes:
        if (found := self._find_credentials()) is None:
            raise NoCredentialsError
        headers = signed_headers(
            {**self._headers, "x-amz-target": f"AmazonSQS.{operation}"},
            body,
            path=self._path,
            region=self.meta.region_name,
            service="sqs",
            credentials=found.get_frozen_credentials(),
        )
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if not all(line.isascii() and line.isprintable() for line in lines):
            raise HTTPClientError(error=ValueError("a header cannot be sent"))
        head = "\r\n".join((f"POST {self._path} HTTP/1.1", *lines, f"content-length: {len(body)}", "user-agent: rtp"))
        return f"{head}\r\n\r\n".encode() + body

    def _refusal(self, operation: str, answer: RawAnswer) -> ClientError:
        service = self.meta.service_model
        said = {"status_code": answer.status, "headers": answer.headers, "body": answer.body, "context": {}}
        parser = create_parser(service.resolved_protocol)
        parsed = parser.parse(said, service.operation_model(operation).output_shape)  # type: ignore[arg-type]
        return ClientError(parsed, operation)
