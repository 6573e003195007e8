"""Batches sent with awscrt: answers, errors and silences are told as boto3 tells them."""

from __future__ import annotations

import gc
import json
import os
import socket
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from awscrt.http import HttpClientConnection
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import URLLib3Session
from botocore.session import Session

from core.services.queue_client import QueueClient, queue_client
from core.services.sqs_answers import reason
from core.settings.models import Settings, SqsSettings
from core.sinks.registry import find_weaknesses
from core.sinks.sqs.sink import SqsSink
from core.stack.ports import free_port
from loadtests.shared.proxy import TcpProxy
from tests.eventually import eventually
from tests.queue_drain import drain
from tests.samples import make_event
from tests.tls_proxy import needs_openssl, tls_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue


PROCESS_CREDENTIALS = json.dumps(
    {"Version": 1, "AccessKeyId": "PROCESSKEY", "SecretAccessKey": "secret", "SessionToken": "token"}
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "aws_ca_bundle", "requests_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def without_urllib3() -> Iterator[None]:
    """Botocore's own way to send a request leads nowhere meanwhile."""

    def send(*_: object) -> None:
        raise AssertionError("sent by botocore's own HTTP session")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(URLLib3Session, "send", send)
        yield


@contextmanager
def hanging_up_after(answer: bytes) -> Iterator[tuple[str, Future[bytes]]]:
    """A server for one request, which it keeps, and answers with these bytes only."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:

        def serve() -> bytes:
            connection, _ = server.accept()
            with connection:
                request = connection.recv(65536)
                connection.sendall(answer)
                return request

        yield f"http://127.0.0.1:{server.getsockname()[1]}", threads.submit(serve)


@pytest.fixture
def proxy(sqs_queue: SqsQueue) -> Iterator[TcpProxy]:
    with closing(TcpProxy(port_of(sqs_queue))) as running:
        yield running


def port_of(queue: SqsQueue) -> int:
    return urlsplit(queue.endpoint_url).port or 0


def client_at(url: str, queue: SqsQueue, *, wait_seconds: float = 10) -> QueueClient:
    return queue_client(SqsSettings(endpoint_url=url, region=queue.region, timeout_seconds=wait_seconds))


def at_proxy(proxy: TcpProxy, queue: SqsQueue, *, wait_seconds: float = 10) -> QueueClient:
    return client_at(f"http://127.0.0.1:{proxy.port}", queue, wait_seconds=wait_seconds)


def send(client: QueueClient, queue: SqsQueue, *bodies: str) -> list[str]:
    """Returns the messages' ids."""
    entries = [
        {"Id": str(n), "MessageBody": body, "MessageGroupId": f"group {n}", "MessageDeduplicationId": body}
        for n, body in enumerate(bodies)
    ]
    answer = client.send_message_batch(QueueUrl=queue.url, Entries=entries)
    return [one["MessageId"] for one in answer["Successful"]]


def test_a_message_arrives_as_it_was_sent(sqs_queue: SqsQueue, sqs_client: SQSClient) -> None:
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client:
        sent = send(client, sqs_queue, "ünïcode \u2028 & <tags>")
    (message,) = drain(sqs_client, sqs_queue.url)
    assert ([message["MessageId"]], message["Body"]) == (sent, "ünïcode \u2028 & <tags>")


def test_batches_go_past_botocores_http_session(sqs_queue: SqsQueue) -> None:
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client, without_urllib3():
        assert send(client, sqs_queue, "first")


def test_they_do_so_where_only_exceptions_from_a_proxy_are_set(
    sqs_queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client, without_urllib3():
        assert send(client, sqs_queue, "first")


def test_without_awscrt_boto3_sends(sqs_queue: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.services.queue_client.find_spec", {"awscrt": None}.get)
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client:
        assert send(client, sqs_queue, "first")
        with without_urllib3(), pytest.raises(AssertionError):
            send(client, sqs_queue, "second")


def test_where_awscrt_is_missing_rtp_validate_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(find_weaknesses(settings)) == []
    monkeypatch.setattr("core.sinks.sqs.find_spec", {"awscrt": None}.get)
    (weakness,) = find_weaknesses(settings)
    assert 'pip install "defi-rtp[aws]" brings awscrt' in weakness


@pytest.fixture
def no_credentials_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has asked for none so far, and finds none."""
    for module in ("queue_client", "sqs_client"):
        monkeypatch.setattr(f"core.services.{module}.aws_session", Session)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def a_key_that_no_header_can_carry(no_credentials_yet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key\r\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.usefixtures("a_key_that_no_header_can_carry")
@pytest.mark.parametrize("missing", [None, "awscrt"])
def test_the_error_about_a_header_that_cannot_be_sent_does_not_show_it(
    missing: str | None, sqs_queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing:
        monkeypatch.setattr("core.services.queue_client.find_spec", {missing: None}.get)
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client, pytest.raises(HTTPClientError) as caught:
        send(client, sqs_queue, "first")
    assert reason(caught.value).endswith("is there a line break in the AWS credentials?")


@pytest.mark.usefixtures("no_credentials_yet")
def test_without_credentials_it_says_so(sqs_queue: SqsQueue) -> None:
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client, pytest.raises(NoCredentialsError):
        send(client, sqs_queue, "first")


@pytest.mark.usefixtures("no_credentials_yet")
def test_credentials_come_from_the_profile_that_the_environment_names(
    sqs_queue: SqsQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(PROCESS_CREDENTIALS)
    (tmp_path / "config").write_text(f"[profile alerts]\ncredential_process = cat {tmp_path}/credentials\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "alerts")
    with (
        hanging_up_after(b"") as (url, request),
        closing(client_at(url, sqs_queue)) as client,
        pytest.raises(ConnectionClosedError),
    ):
        send(client, sqs_queue, "first")
    sent = request.result()
    assert b"Credential=PROCESSKEY/" in sent
    assert b"X-Amz-Security-Token: token" in sent


def test_an_error_is_told_as_boto3_tells_it(sqs_queue: SqsQueue, sqs_client: SQSClient) -> None:
    def error_of(client: QueueClient) -> tuple[str, dict[str, Any], int]:
        entries = [{"Id": "0", "MessageBody": "first", "MessageGroupId": "group", "MessageDeduplicationId": "first"}]
        with pytest.raises(ClientError) as caught:
            client.send_message_batch(QueueUrl=f"{sqs_queue.endpoint_url}/000000000000/none.fifo", Entries=entries)
        response = caught.value.response
        return str(caught.value), dict(response["Error"]), response["ResponseMetadata"]["HTTPStatusCode"]

    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client:
        assert error_of(client) == error_of(sqs_client)


def test_a_refused_connection_is_told_with_its_address(sqs_queue: SqsQueue) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with closing(client_at(url, sqs_queue)) as client, pytest.raises(EndpointConnectionError, match=url):
        send(client, sqs_queue, "first")


def test_an_address_that_does_not_answer_is_given_up(sqs_queue: SqsQueue) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        client = client_at(f"http://127.0.0.1:{port}", sqs_queue, wait_seconds=0.3)
        with closing(client), pytest.raises(ConnectTimeoutError):
            send(client, sqs_queue, "first")
        for one in waiting:
            one.close()


def test_a_silence_is_given_up_and_the_next_request_is_answered(sqs_queue: SqsQueue, proxy: TcpProxy) -> None:
    with closing(at_proxy(proxy, sqs_queue, wait_seconds=2)) as client:
        send(client, sqs_queue, "first")
        proxy.half_open()
        with pytest.raises(ReadTimeoutError):
            send(client, sqs_queue, "second")
        assert send(client, sqs_queue, "third")


def test_an_answer_that_breaks_off_is_no_answer(sqs_queue: SqsQueue) -> None:
    with hanging_up_after(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{") as (url, request):
        with closing(client_at(url, sqs_queue)) as client, pytest.raises(ConnectionClosedError):
            send(client, sqs_queue, "first")
        request.result()


def test_a_connection_serves_request_after_request(sqs_queue: SqsQueue, proxy: TcpProxy) -> None:
    with closing(at_proxy(proxy, sqs_queue)) as client:
        for number in range(5):
            send(client, sqs_queue, str(number))
        assert proxy.open_connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(sqs_queue: SqsQueue, proxy: TcpProxy) -> None:
    client = at_proxy(proxy, sqs_queue)
    with closing(SqsSink(SqsSettings(queue=sqs_queue.name), client)) as sink:
        sink.open()
        for number in range(1, 4):
            assert not sink.deliver([make_event(number)]).undelivered
            proxy.reset()


def test_that_it_was_closed_is_told_however_soon_that_shows(
    sqs_queue: SqsQueue, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(at_proxy(proxy, sqs_queue)) as client:
        send(client, sqs_queue, "first")
        monkeypatch.setattr(
            HttpClientConnection, "is_open", lambda _: True
        )  # as it is until a moment before the request
        proxy.reset()
        with pytest.raises(ConnectionClosedError):
            send(client, sqs_queue, "second")


def test_threads_get_their_own_answers(sqs_queue: SqsQueue, sqs_client: SQSClient) -> None:
    with closing(client_at(sqs_queue.endpoint_url, sqs_queue)) as client, ThreadPoolExecutor(8) as threads:
        bodies = [str(number) for number in range(64)]
        sent = threads.map(lambda body: send(client, sqs_queue, body), bodies)
        body_of = {message_id: body for (message_id,), body in zip(sent, bodies, strict=True)}
    received = {message["MessageId"]: message["Body"] for message in drain(sqs_client, sqs_queue.url)}
    assert received == body_of


def test_a_closed_client_connects_anew(sqs_queue: SqsQueue, proxy: TcpProxy) -> None:
    with closing(at_proxy(proxy, sqs_queue)) as client:
        send(client, sqs_queue, "first")
        client.close()
        eventually(lambda: proxy.open_connections == 0)
        assert send(client, sqs_queue, "second")


def test_a_client_that_nobody_closes_leaves_no_connection(sqs_queue: SqsQueue, proxy: TcpProxy) -> None:
    client = at_proxy(proxy, sqs_queue)
    send(client, sqs_queue, "first")
    del client
    with warnings.catch_warnings(record=True) as caught:
        gc.collect()
    eventually(lambda: proxy.open_connections == 0)
    assert not caught


def test_a_proxy_of_the_environment_is_used(sqs_queue: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HTTP_PROXY", address)
    monkeypatch.setenv("NO_PROXY", "")
    with (
        closing(client_at("http://sqs.example", sqs_queue)) as client,
        pytest.raises(ProxyConnectionError, match=address),
    ):
        send(client, sqs_queue, "first")


@needs_openssl
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_https_is_spoken_with_who_the_named_certificate_vouches_for(
    variable: str, sqs_queue: SqsQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_proxy(port_of(sqs_queue), tmp_path) as tls:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv(variable, f"~/{tls.certificate.name}")
        with closing(client_at(f"https://127.0.0.1:{tls.port}", sqs_queue)) as client, without_urllib3():
            assert send(client, sqs_queue, "first")
            assert send(client, sqs_queue, "second")


# awscrt tells only after ten seconds or more that a certificate is no good, lest the time taken tell an attacker why.
# Nobody waits for that: a sink opens its queue with boto3 first, which says it at once.
NOT_TRUSTED = (SSLError, ConnectTimeoutError)


@needs_openssl
def test_a_certificate_that_nobody_vouches_for_is_refused(sqs_queue: SqsQueue, tmp_path: Path) -> None:
    with tls_proxy(port_of(sqs_queue), tmp_path) as tls:
        client = client_at(f"https://127.0.0.1:{tls.port}", sqs_queue, wait_seconds=0.5)
        with closing(client), pytest.raises(NOT_TRUSTED):
            send(client, sqs_queue, "first")


@needs_openssl
def test_a_certificate_for_another_host_is_refused(
    sqs_queue: SqsQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_proxy(port_of(sqs_queue), tmp_path) as tls:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tls.certificate))
        client = client_at(f"https://localhost:{tls.port}", sqs_queue, wait_seconds=0.5)
        with closing(client), pytest.raises(NOT_TRUSTED):
            send(client, sqs_queue, "first")


def test_a_certificate_file_that_is_not_there_is_told(sqs_queue: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
    with closing(client_at("https://127.0.0.1:1", sqs_queue)) as client, pytest.raises(SSLError, match=r"ca\.pem"):
        send(client, sqs_queue, "first")
