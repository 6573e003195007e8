"""SQS with awscrt, AWS's own C library: signing and HTTP take a quarter of the CPU that boto3's take.

Credentials are botocore's, with its whole chain and its refreshing. So are the endpoint, the certificates that are
trusted, what an error of SQS means, and the exceptions.
"""

from __future__ import annotations

import json
from collections import deque
from functools import cache, cached_property, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig, aws_sign_request
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    TlsConnectionOptions,
    TlsContextOptions,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import create_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from botocore.credentials import Credentials, ReadOnlyCredentials
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchResultTypeDef

# awscrt raises the first from what it does later, the second from what it does at once.
_FAILURES = (AwsCrtError, RuntimeError)


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
        self._trusted = trusted
        self._url = client.meta.endpoint_url
        self._address = urlsplit(self._url)
        self._idle: deque[HttpClientConnection] = deque()

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
        connection = self._pop_open() or self._connect()
        try:
            status, headers, said = self._exchange(connection, signed)
        except BaseException:
            connection.close()
            raise
        if connection.is_open():  # the server keeps it, too
            self._idle.append(connection)
        if status >= 300:
            raise self._refusal(operation, status, headers, said)
        return json.loads(said)

    def close(self) -> None:
        """Close the connections that are not in use. The client can be used again and makes new ones then."""
        self._client.close()
        self._close_idle()

    def _close_idle(self) -> None:
        while (connection := _pop(self._idle)) is not None:
            connection.close()

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
        except _FAILURES as error:
            raise HTTPClientError(error=error) from error
        return request

    def _exchange(
        self, connection: HttpClientConnection, request: HttpRequest
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        heads: list[Sequence[tuple[str, str]]] = []
        chunks: list[bytes] = []
        try:
            stream = connection.request(
                request, lambda *, headers, **_: heads.append(headers), lambda *, chunk, **_: chunks.append(chunk)
            )
            stream.activate()
            status: int = stream.completion_future.result(self._wait_seconds)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url) from error
        except _FAILURES as error:
            if _name(error).startswith(("AWS_ERROR_HTTP_CONNECTION", "AWS_ERROR_HTTP_SERVER_CLOSED", "AWS_IO_SOCKET")):
                self._close_idle()  # the server may be about to close these, too
                raise ConnectionClosedError(endpoint_url=self._url) from error
            raise HTTPClientError(error=error) from error
        return status, heads[-1], b"".join(chunks)

    def _refusal(self, operation: str, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> ClientError:
        service = self.meta.service_model
        named = {name.lower(): value for name, value in headers}
        answer = {"status_code": status, "headers": named, "body": body, "context": {}}
        parser = create_parser(service.resolved_protocol)
        parsed = parser.parse(answer, service.operation_model(operation).output_shape)  # type: ignore[arg-type]
        return ClientError(parsed, operation)

    def _pop_open(self) -> HttpClientConnection | None:
        """The one used last that the server has not closed meanwhile."""
        while (connection := _pop(self._idle)) is not None and not connection.is_open():
            pass
        return connection

    def _connect(self) -> HttpClientConnection:
        tls = self._tls if self._address.scheme == "https" else None
        try:
            port = self._address.port or (443 if tls else 80)
            connecting = HttpClientConnection.new(
                self._address.hostname or "", port, _bootstrap(), tls_connection_options=tls
            )
            connection: HttpClientConnection = connecting.result(self._wait_seconds)
        except TimeoutError as error:
            connecting.add_done_callback(_close_late)
            raise ConnectTimeoutError(endpoint_url=self._url) from error
        except (*_FAILURES, ValueError) as error:
            raise self._no_connection(error) from error
        return connection

    def _no_connection(self, error: Exception) -> BotoCoreError:
        name = _name(error)
        if name.startswith("AWS_IO_TLS"):
            return SSLError(endpoint_url=self._url, error=error)
        if name.startswith("AWS_IO_SOCKET_TIMEOUT"):
            return ConnectTimeoutError(endpoint_url=self._url)
        if name.startswith(("AWS_IO_SOCKET", "AWS_IO_DNS")):
            return EndpointConnectionError(endpoint_url=self._url)
        return HTTPClientError(error=error)

    @cached_property  # reading the certificates takes tens of milliseconds
    def _tls(self) -> TlsConnectionOptions:
        options = TlsContextOptions()
        try:
            options.override_default_trust_store_from_path(None, str(self._trusted))
            context = ClientTlsContext(options)
        except (OSError, *_FAILURES) as error:
            raise SSLError(endpoint_url=self._url, error=OSError(f"{self._trusted}: {error}")) from error
        connection_options = context.new_connection_options()
        connection_options.set_server_name(self._address.hostname or "")
        return connection_options


@cache
def _bootstrap() -> ClientBootstrap:
    """One thread for all connections of this process."""
    threads = EventLoopGroup(1)
    return ClientBootstrap(threads, DefaultHostResolver(threads))


@lru_cache(4)
def _provider(credentials: ReadOnlyCredentials) -> AwsCredentialsProvider:
    return AwsCredentialsProvider.new_static(credentials.access_key, credentials.secret_key, credentials.token)


def _name(error: Exception) -> str:
    """Which error it is; a RuntimeError has that in its text: `2058 (AWS_ERROR_HTTP_CONNECTION_CLOSED): ...`."""
    return error.name if isinstance(error, AwsCrtError) else str(error).partition("(")[2].partition(")")[0]


def _close_late(connecting: Future[HttpClientConnection]) -> None:
    if connecting.exception() is None:
        connecting.result().close()


def _pop(idle: deque[HttpClientConnection]) -> HttpClientConnection | None:
    """The one used last, if there is one; some other thread may be as quick."""
    try:
        return idle.pop()
    except IndexError:
        return None
