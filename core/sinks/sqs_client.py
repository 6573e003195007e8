"""boto3's client for SQS, with requests that go over plain connections.

Around each request boto3 does more than rtp needs: it looks for a proxy, prepares a retry that rtp does itself, and
passes through an HTTP library made for everything. Left out, a batch of ten messages takes two thirds of the CPU.
Endpoints, credentials, signatures, what an answer means and the errors are botocore's own, as before; and where a proxy
is set, so are the connections.
"""

from __future__ import annotations

import ssl
import threading
from collections import defaultdict, deque
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSResponse, create_request_object
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies
from urllib3.util import wait_for_read

from core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel
    from botocore.session import Session
    from botocore.signers import RequestSigner
    from mypy_boto3_sqs import SQSClient

    from core.settings.models import SqsSettings


def sqs_client(settings: SqsSettings, *, wait_seconds: float | None = None) -> SQSClient:
    """A boto3 client that leaves retrying to rtp. Credentials come from AWS's own chain unless given.

    It waits `sqs.timeout_seconds` for an answer, or less where `wait_seconds` is less.

    Raises SettingsError where boto3 knows no region.
    """
    wait_seconds = min(settings.timeout_seconds, wait_seconds or settings.timeout_seconds)
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=wait_seconds,
        read_timeout=wait_seconds,
        parameter_validation=False,
        user_agent="rtp",  # botocore would put its own together anew for each request: a seventh of all it does
    )
    session = _session()
    try:
        client = session.create_client(
            "sqs", endpoint_url=settings.endpoint_url, region_name=settings.region, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"SQS cannot be used: {error}", "Set AWS_REGION or sqs.region") from error
    assert isinstance(client, _PlainRequests)
    if not get_environ_proxies(client.meta.endpoint_url):
        certificates: str | None = session.get_config_variable("ca_bundle") or get_cert_path(verify=True)
        client.go_over(Connections(wait_seconds=wait_seconds, certificates=certificates))
    return cast("SQSClient", client)


@cache
def _session() -> Session:
    session = botocore.session.get_session()
    session.register("creating-client-class.sqs", _mix_in)
    return session


def _mix_in(**event: Any) -> None:
    event["base_classes"].insert(0, _PlainRequests)


class _PlainRequests(BaseClient):
    """What rtp adds to the client's class, by the events that botocore has for it."""

    _connections: Connections | None = None

    def go_over(self, connections: Connections) -> None:
        """Send every request from now on over these."""
        self._connections = connections
        self.meta.events.register("before-call.sqs", connections.call)  # type: ignore[arg-type]  # it may answer

    def close(self) -> None:
        """Botocore's own, too. The client can be used again and makes new connections then."""
        super().close()
        if self._connections is not None:
            self._connections.close()


class Connections:
    """Connections that stay open between requests; as many as there are requests at a time. For threads."""

    def __init__(self, *, wait_seconds: float, certificates: str | None) -> None:
        self._wait_seconds = wait_seconds
        self._certificates = certificates
        self._tls: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[str, str], deque[HTTPConnection]] = defaultdict(deque)
        self._lock = threading.Lock()

    def call(
        self, *, model: OperationModel, params: Mapping[str, Any], request_signer: RequestSigner, **_: object
    ) -> tuple[AWSResponse, dict[str, Any]]:
        """Do a call that botocore has prepared. Raises BotoCoreError where there is no answer."""
        request = create_request_object(params)
        request_signer.sign(model.name, request)
        url, headers = params["url"], dict(request.headers.items())
        response, body = self._exchange(url, params["method"], params["body"], headers)
        # Plain: http.client's own looks through all of them for each one asked for.
        told = {name.lower(): value for name, value in response.getheaders()}
        answer = {"status_code": response.status, "headers": told, "body": body, "context": {}}
        parser = create_parser(model.service_model.resolved_protocol)
        parsed = parser.parse(answer, model.output_shape)  # type: ignore[arg-type]  # None where nothing is answered
        return AWSResponse(url, response.status, told, None), parsed  # type: ignore[arg-type]  # a mapping will do

    def close(self) -> None:
        """Close those that are not in use."""
        with self._lock:
            unused = [connection for connections in self._idle.values() for connection in connections]
            self._idle.clear()
        for connection in unused:
            connection.close()

    def _exchange(self, url: str, method: str, body: bytes, headers: Mapping[str, str]) -> tuple[HTTPResponse, bytes]:
        target = urlsplit(url)
        idle = self._idle[target.scheme, target.netloc]
        connection = _one_of(idle) or self._connect(target.scheme, target.netloc, url)
        try:
            connection.request(method, target.path or "/", body, headers)
            response = connection.getresponse()
            answer = response.read()
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise ReadTimeoutError(endpoint_url=url) from error
            if isinstance(error, (OSError, HTTPException)):
                raise ConnectionClosedError(endpoint_url=url) from error
            raise
        if connection.sock is not None:  # the server keeps it, too
            idle.append(connection)
        return response, answer

    def _connect(self, scheme: str, address: str, url: str) -> HTTPConnection:
        connection = HTTPConnection(address, timeout=self._wait_seconds)
        if scheme == "https":
            connection = HTTPSConnection(address, timeout=self._wait_seconds, context=self._context())
        try:
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=url) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=url) from error
        return connection

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:  # once: reading the certificates takes tens of milliseconds
                self._tls = ssl.create_default_context(cafile=self._certificates)
            return self._tls


def _one_of(idle: deque[HTTPConnection]) -> HTTPConnection | None:
    """The one used last, unless the server has closed it meanwhile: then it has something to read."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        if not wait_for_read(connection.sock, timeout=0):
            return connection
        connection.close()
