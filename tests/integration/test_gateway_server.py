"""The gateway's door: who gets in, how much they may ask, and what every answer carries."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from core.gateway.server import GatewayServer
from core.problem import Problem
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.eventually import eventually
from tests.gateway import answer_of, asking, live_client, serve_settings, serving, stream_events
from tests.rtp_process import ROOT
from tests.samples import make_event

Deliver = Callable[..., object]


@pytest.fixture(scope="module")
def server(module_redis_url: str) -> Iterator[GatewayServer]:
    """A gateway that everybody on this machine may use; small limits."""
    limits = {"message_bytes": 2048, "messages_per_second": 2, "subscriptions": 10, "connections_per_address": 3}
    settings = serve_settings(
        module_redis_url,
        limits=limits,
        origins=["https://desk.example"],
    )
    with serving(settings) as running:
        eventually(lambda: answer_of(running, "/readyz").status == 200)
        yield running


@pytest.fixture
def deliver(module_redis_url: str) -> Iterator[Deliver]:
    """Delivers an event as rtp does."""
    with closing(RedisSink(RedisSettings(), url=module_redis_url, poll_interval_seconds=0.001)) as sink:
        yield lambda **columns: sink.deliver([make_event(time.time_ns(), **columns)])


# The two channels.


def test_a_websocket_is_sent_what_it_subscribes_to(server: GatewayServer, deliver: Deliver) -> None:
    with live_client(server) as client:
        assert client.read()["type"] == "welcome"
        client.subscribe(filter={"entity": "seen"})
        deliver(entity="unseen")
        deliver(entity="seen")
        event = client.next("event")
        assert (event["n"], event["event"]["data"]["entity"]) == (1, "seen")
        assert client.socket.subprotocol == "rtp.v1"


def test_an_event_stream_is_sent_the_same_messages_with_the_position_as_its_id(
    server: GatewayServer, deliver: Deliver
) -> None:
    with asking(server, "/v1/sse?kind=tvl&kind=price&entity=streamed&snapshot=false") as response:
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        messages = (message for message in stream_events(response) if "event" in message)
        assert [next(messages)["event"] for _ in range(2)] == ["welcome", "subscribed"]
        deliver(entity="streamed")
        message = next(messages)
        document = json.loads(message["data"])
        assert (message["event"], document["type"], document["n"]) == ("event", "event", 1)
        assert message["id"] == document["position"]


def test_an_event_stream_goes_on_behind_a_snapshot_only_once_it_has_all_of_it(
    server: GatewayServer, deliver: Deliver
) -> None:
    deliver(entity="held")
    with asking(server, "/v1/sse?kind=tvl") as response:
        messages = (message for message in stream_events(response) if "event" in message)
        first = [next(messages) for _ in range(3)]
        assert [(message["event"], "id" in message) for message in first] == [
            ("welcome", False),
            ("subscribed", False),
            ("snapshot", True),
        ]
        assert json.loads(first[2]["data"])["done"]
        assert first[2]["id"] == json.loads(first[1]["data"])["position"]


def test_an_event_stream_that_asks_for_nonsense_is_told_so(server: GatewayServer) -> None:
    for asked in ("min_pct=much", "severity=loud", "slow=never", "snapshot=perhaps", f"resume=x.1.{2**64}-0"):
        answer = answer_of(server, f"/v1/sse?{asked}")
        assert (answer.status, answer.error) == (400, "bad_request")
    assert answer_of(server, "/v1/sse", Last_Event_ID="nonsense").status == 400


# Who may come in.


def test_a_name_that_somebody_points_at_this_machine_opens_nothing(server: GatewayServer) -> None:
    assert answer_of(server, "/readyz", Host="evil.example").error == "unknown_host"
    assert answer_of(server, "/readyz", Host="localhost:1").status == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("null", 403),
        ("https://desk.example.evil.example", 403),
        ("https://desk.example", 200),
    ],
)
def test_pages_of_other_origins_may_connect_only_where_they_are_named(
    server: GatewayServer, origin: str, status: int
) -> None:
    assert answer_of(server, "/readyz", Origin=origin).status == status
    try:
        with live_client(server, origin=origin):
            assert status == 200
    except InvalidStatus as refusal:
        assert refusal.response.status_code == status


def test_its_own_page_may_connect(server: GatewayServer) -> None:
    with live_client(server, origin=server.url) as client:
        assert client.read()["type"] == "welcome"


def test_a_named_origin_may_read_the_answers(server: GatewayServer) -> None:
    answer = answer_of(server, "/readyz", Origin="https://desk.example")
    assert answer.headers["access-control-allow-origin"] == "https://desk.example"
    asked = {"Origin": "https://desk.example", "Access_Control_Request_Method": "GET"}
    allowed = answer_of(server, "/v1/sse", "OPTIONS", **asked, Access_Control_Request_Headers="authorization")
    assert allowed.status == 200


def test_another_subprotocol_is_refused(server: GatewayServer) -> None:
    with pytest.raises(InvalidStatus) as refused, live_client(server, "rtp.v2"):
        pass
    assert refused.value.response.status_code == 400


# What a client may ask for.


def test_a_message_beyond_the_limit_ends_the_connection(server: GatewayServer) -> None:
    with live_client(server) as client:
        client.ask("subscribe", id="a" * 3000)
        assert client.closed()[0] == 1009
    eventually(lambda: left_for(server, "too_big") == 1)


def test_globs_that_would_keep_the_others_waiting_are_refused_and_names_are_not(server: GatewayServer) -> None:
    with live_client(server) as client:
        glob = "[a-z]*" * 130
        client.ask("subscribe", id="a", snapshot=False, filter={"entity": [glob, "x" * 150, "x" * 150]})
        assert client.next("subscribed")["id"] == "a"
        client.ask("subscribe", id="b", snapshot=False, filter={"entity": [glob, glob.upper()]})
        refused = client.next("error")
        assert refused["id"] == "b"
        assert "its globs have more than 1,000 characters" in refused["message"]


def test_too_many_messages_end_the_connection_with_the_reason(server: GatewayServer) -> None:
    with live_client(server) as client:
        with suppress(ConnectionClosed):  # it may have been ended before all are sent
            for _ in range(20):
                client.ask("ping")
        assert client.next("error")["code"] == "too_many_messages"
        assert client.closed() == (1008, "more than 2 messages a second")


def test_a_client_that_comes_back_asks_for_all_its_subscriptions_at_once(server: GatewayServer) -> None:
    with live_client(server) as client:
        for number in range(10):
            client.ask("subscribe", id=str(number), snapshot=False)
        assert {client.next("subscribed")["id"] for _ in range(10)} == {str(number) for number in range(10)}


def test_a_message_that_is_no_text_is_told_so_and_the_connection_goes_on(server: GatewayServer) -> None:
    with live_client(server) as client:
        client.socket.send(b"{}")
        assert client.next("error")["code"] == "not_text"
        client.ask("ping")
        assert client.next("pong") == {"type": "pong"}


def test_an_address_has_so_many_connections_and_one_more_is_told_so(server: GatewayServer) -> None:
    with live_client(server), live_client(server), live_client(server) as third:
        assert third.read()["type"] == "welcome"
        with live_client(server) as fourth:
            assert fourth.read()["code"] == "too_many_connections"
            assert fourth.closed()[0] == 1008
        answer = answer_of(server, "/v1/sse")
        assert (answer.status, answer.error) == (429, "too_many_connections")


def test_a_client_that_is_frozen_is_given_up(module_redis_url: str) -> None:
    settings = serve_settings(module_redis_url, ping_seconds=0.2, idle_timeout_seconds=0.5)
    with serving(settings) as server, raw_websocket(server):
        eventually(lambda: left_for(server, "idle") == 1)


def metrics_of(server: GatewayServer) -> dict[str, float]:
    lines = answer_of(server, "/metrics").body.decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def left_for(server: GatewayServer, reason: str) -> float:
    return metrics_of(server).get(f'rtp_gateway_disconnected_total{{reason="{reason}"}}', 0)


def upgrade(host: str) -> bytes:
    return (
        f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@contextmanager
def raw_websocket(server: GatewayServer) -> Iterator[socket.socket]:
    """A WebSocket whose client answers nothing, not even pings."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
        connection.sendall(upgrade(place.netloc))
        assert connection.recv(12) == b"HTTP/1.1 101"
        yield connection


def test_a_request_that_takes_too_long_is_cut_off(server: GatewayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.gateway.http_protocol.REQUEST_SECONDS", 0.2)
    place = urlsplit(server.url)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: localh"):
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
            connection.sendall(begun)
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""


def test_a_request_that_never_ends_is_cut_off(server: GatewayServer) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 70_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 431")


STRANGE = {
    "TLS": b"\x16\x03\x01",
    "host that is none": b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "bytes as host": b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    "origin that is none": b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[::1\r\n\r\n",
    "path of bytes": b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "position of bytes": b"GET /v1/sse HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: \xff\r\n\r\n",
    "stream before another request": b"GET /v1/sse HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2,
    "frame that is no text": b"UPGRADE\x81\x82\0\0\0\0\xff\xfe",
    "frame that is not masked": b"UPGRADE\x81\x02{}",
    "frame of no kind": b"UPGRADE\x83\x80\0\0\0\0",
    "close code that is none": b"UPGRADE\x88\x82\0\0\0\0\0\x01",
    "deep JSON": b"UPGRADE\x81\xfe\x03\xe8\0\0\0\0" + b"[" * 1000,
}


def test_what_strangers_send_is_no_defect_and_leaves_nothing_behind(module_redis_url: str) -> None:
    told: list[Problem] = []
    with serving(serve_settings(module_redis_url), on_problem=told.append) as server:
        place = urlsplit(server.url)
        for sent in STRANGE.values():
            with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
                connection.sendall(sent.replace(b"UPGRADE", upgrade("localhost")))
                assert connection.recv(1)
        with suppress(InvalidStatus), live_client(server, origin="http://[::1"):
            pass
        eventually(lambda: metrics_of(server)['rtp_gateway_clients{channel="sse"}'] == 0)
        assert metrics_of(server)['rtp_gateway_clients{channel="websocket"}'] == 0
    assert told == []


# What every answer carries.


def test_every_answer_has_the_strict_headers(server: GatewayServer) -> None:
    for path in ("/readyz", "/nothing", "/v1/sse?min_pct=x"):
        headers = answer_of(server, path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_told_in_the_same_form_as_all_errors(server: GatewayServer) -> None:
    assert (answer_of(server, "/nothing").status, answer_of(server, "/nothing").error) == (404, "not_found")
    assert answer_of(server, "/readyz", "POST").error == "method_not_allowed"
    assert answer_of(server, "/v1/ws").error == "no_websocket"
    for path in ("/../server.py", "/%2e%2e/server.py", "/js/../../server.py"):
        assert answer_of(server, path).status == 404


def test_a_file_of_the_page_is_sent_packed_and_once_until_it_changes(server: GatewayServer) -> None:
    plain, packed = answer_of(server, "/rtp.js"), answer_of(server, "/rtp.js", Accept_Encoding="br, gzip")
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert gzip.decompress(packed.body) == plain.body
    assert answer_of(server, "/rtp.js", If_None_Match=packed.headers["etag"]).status == 304


def test_the_head_of_an_event_stream_ends(server: GatewayServer) -> None:
    answer = answer_of(server, "/v1/sse", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_the_metrics_count_clients_messages_and_why_they_left(server: GatewayServer) -> None:
    before = metrics_of(server)
    with live_client(server) as client:
        client.subscribe()
        now = metrics_of(server)
        assert now['rtp_gateway_clients{channel="websocket"}'] == 1
        assert now["rtp_gateway_subscriptions"] == 1
        frames = 'rtp_gateway_frames_total{channel="websocket"}'
        assert now[frames] == before[frames] + 2
    eventually(lambda: metrics_of(server)['rtp_gateway_clients{channel="websocket"}'] == 0)
    assert left_for(server, "client") == before.get('rtp_gateway_disconnected_total{reason="client"}', 0) + 1


def test_every_metric_is_described(server: GatewayServer) -> None:
    described = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    names = {name.partition("{")[0] for name in metrics_of(server) if name.startswith("rtp_gateway")}
    assert len(names) > 8
    assert [name for name in names if name.removesuffix("_created") not in described] == []


def test_a_client_goes_on_at_another_gateway_where_it_was(
    server: GatewayServer, module_redis_url: str, deliver: Deliver
) -> None:
    with live_client(server) as client:
        client.subscribe(filter={"entity": "roaming"})
        deliver(entity="roaming", current="1")
        position = client.next("event")["position"]
    deliver(entity="roaming", current="2")
    with serving(serve_settings(module_redis_url)) as other, live_client(other) as client:
        assert client.subscribe(filter={"entity": "roaming"}, resume=position)["resumed"] is True
        deliver(entity="roaming", current="3")
        assert [client.next("event")["event"]["data"]["current"] for _ in range(2)] == ["2", "3"]


def test_without_redis_it_is_not_ready_and_tells_the_address_to_nobody_but_its_log() -> None:
    told: list[Problem] = []
    settings = serve_settings("redis://secret.host.invalid:1")
    with serving(settings, on_problem=told.append) as server, live_client(server) as client:
        assert "secret.host" not in client.next("upstream")["message"]
        answer = answer_of(server, "/readyz")
        assert (answer.status, b"secret.host" in answer.body) == (503, False)
        assert answer_of(server, "/").status == 200
    assert ["secret.host" in problem.text for problem in told] == [True]


def test_a_gateway_that_ends_sends_its_clients_elsewhere(module_redis_url: str) -> None:
    with (
        serving(serve_settings(module_redis_url)) as server,
        live_client(server) as client,
        asking(server, "/v1/sse") as response,
    ):
        client.subscribe()
        messages = stream_events(response)
        server.stop()
        reconnect: dict[str, Any] = client.next("reconnect")
        assert 0 <= reconnect["after_ms"] <= 1000
        assert client.closed()[0] == 1012
        last = list(messages)[-1]
        assert last["event"] == "reconnect"
        assert last["retry"] == str(json.loads(last["data"])["after_ms"])
