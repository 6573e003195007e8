"""boto3's client for SQS, with requests that go over plain connections.

Around each request boto3 does more than rtp needs: it looks for a proxy, prepares a retry that rtp does itself, and
passes through an HTTP library made for everything. Left out, a batch of ten messages takes two thirds of the CPU.
Endpoints, credentials, signatures, what an answer means and the errors are botocore's own, as before. So are the
connections where a proxy is set. Botocore's events around the sending of a request (`before-send` and later ones) and
its debug log of it are left out.
"""

from __future__ import annotations

import os
import ssl
import threading
import weakref
from collections import defaultdict, deque
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
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
    HTTPClientError,
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
    endpoint_url = client.meta.endpoint_url
    if urlsplit(endpoint_url).scheme not in get_environ_proxies(endpoint_url):
        client.use(Connections(wait_seconds=wait_seconds, certificates=_certificates(session)))
    return cast("SQSClient", client)


def _certificates(session: Session) -> Path:
    """The file of certificate authorities, found as botocore finds it (`EndpointCreator`, `URLLib3Session`)."""
    named = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Path(named or get_cert_path(verify=True) or "").expanduser()


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

    def use(self, connections: Connections) -> None:
        """Send every request from now on over these."""
        self._connections = connections
        # Registered last: the handler that answers a call ends it, and botocore's own handlers may add headers first.
        self.meta.events.register_last("before-call", connections.answer_call)  # type: ignore[arg-type]

    def close(self) -> None:
        """Botocore's own, too. The client can be used again and makes new connections then."""
        super().close()
        if self._connections is not None:
            self._connections.close()


class Connections:
    """Connections that stay open between requests; as many as there are requests at a time. For threads."""

    def __init__(self, *, wait_seconds: float, certificates: Path) -> None:
        self._wait_seconds = wait_seconds
        self._certificates = certificates
        self._tls: ssl.SSLContext | None = None
        self._idle: defaultdict[tuple[str, str], deque[HTTPConnection]] = defaultdict(deque)
        self._tls_lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)  # boto3's clients need not be closed, either

    def answer_call(
        self, *, model: OperationModel, params: Mapping[str, Any], request_signer: RequestSigner, **_: object
    ) -> tuple[AWSResponse, dict[str, Any]]:
        """Do a call that botocore has prepared. Raises BotoCoreError where there is no answer."""
        request = create_request_object(params)
        request_signer.sign(model.name, request)
        url = params["url"]
        response, body = self._exchange(url, params["method"], params["body"], dict(request.headers.items()))
        # Plain: http.client's own looks through all of them for each one asked for.
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = {"status_code": response.status, "headers": headers, "body": body, "context": {}}
        parser = create_parser(model.service_model.resolved_protocol)
        parsed = parser.parse(answer, model.output_shape)  # type: ignore[arg-type]  # None where nothing is answered
        return AWSResponse(url, response.status, headers, None), parsed  # type: ignore[arg-type]  # a mapping will do

    def close(self) -> None:
        """Close those that are not in use."""
        _close_all(self._idle)

    def _exchange(self, url: str, method: str, body: bytes, headers: Mapping[str, str]) -> tuple[HTTPResponse, bytes]:
        target = urlsplit(url)
        address = target.netloc.lower()  # as it is signed
        idle = self._idle[target.scheme, address]
        connection = _pop_live(idle) or self._connect(target.scheme, address, url)
        is_answered = False
        try:
            connection.request(method, target.path or "/", body, headers)
            response = connection.getresponse()
            answer = response.read()
            is_answered = True
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=url) from error
        except (OSError, HTTPException) as error:
            raise ConnectionClosedError(endpoint_url=url) from error
        except ValueError as error:  # credentials with a line break in them, for one
            raise HTTPClientError(error=error) from error
        finally:
            if not is_answered:
                connection.close()
        if connection.sock is not None:  # the server keeps it, too
            idle.append(connection)
        return response, answer

    def _connect(self, scheme: str, address: str, url: str) -> HTTPConnection:
        connection = self._connection(scheme, address, url)
        try:
            connection.connect()
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=url) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=url) from error
        except ValueError as error:  # no name that can be looked up
            raise HTTPClientError(error=error) from error
        return connection

    def _connection(self, scheme: str, address: str, url: str) -> HTTPConnection:
        try:
            if scheme == "https":
                return HTTPSConnection(address, timeout=self._wait_seconds, context=self._context())
            return HTTPConnection(address, timeout=self._wait_seconds)
        except OSError as error:
            raise SSLError(endpoint_url=url, error=OSError(f"{self._certificates}: {error}")) from error
        except HTTPException as error:  # the address has no port that is one
            raise HTTPClientError(error=error) from error

    def _context(self) -> ssl.SSLContext:
        with self._tls_lock:
            if self._tls is None:  # once: reading the certificates takes tens of milliseconds
                context = ssl.create_default_context(cafile=self._certificates)
                context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # newer Pythons set it, boto3 does not
                context.set_alpn_protocols(["http/1.1"])
                self._tls = context
            return self._tls


def _close_all(idle: Mapping[tuple[str, str], deque[HTTPConnection]]) -> None:
    for connections in list(idle.values()):
        while (connection := _pop(connections)) is not None:
            connection.close()


def _pop(idle: deque[HTTPConnection]) -> HTTPConnection | None:
    """The one used last, if there is one; some other thread may be as quick."""
    try:
        return idle.pop()
    except IndexError:
        return None


def _pop_live(idle: deque[HTTPConnection]) -> HTTPConnection | None:
    """The one used last that the server has not closed meanwhile: then it would have something to read."""
    while (connection := _pop(idle)) is not None:
        if not wait_for_read(connection.sock, timeout=0):
            return connection
        connection.close()
    return None
