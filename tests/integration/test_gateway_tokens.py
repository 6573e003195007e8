"""Tokens at the gateway: where they may stand, what they narrow, and what is seen without one."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt
import pytest

from core.errors import SettingsError
from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.command import Command
from tests.eventually import eventually
from tests.gateway import answer_of, asking, live_client, serve_settings, serving, stream_events
from tests.samples import make_event
from tests.tls_proxy import needs_openssl, tls_proxy

TOKEN = "a-token-of-the-desk"
KEY = "k" * 32


def signed(seconds: float = 60, **claims: Any) -> str:
    return jwt.encode({"exp": time.time() + seconds, **claims}, KEY, "HS256")


@pytest.fixture(scope="module")
def server(module_redis_url: str) -> Iterator[GatewayServer]:
    """A gateway that wants a token, behind a proxy that is believed."""
    settings = serve_settings(
        module_redis_url,
        token=TOKEN,
        jwt={"key": KEY},
        trusted_proxies=["127.0.0.1"],
        limits={"connections_per_address": 1},
    )
    with serving(settings) as running:
        eventually(lambda: answer_of(running, "/readyz").status == 200)
        yield running


@pytest.mark.parametrize("token", ["none", "another-token-altogether", signed(-60)], ids=["none", "other", "over"])
def test_a_websocket_without_a_right_token_is_told_so_and_ended(server: GatewayServer, token: str) -> None:
    with live_client(server, "rtp.v1", *([] if token == "none" else [f"rtp.token.{token}"])) as client:
        message = client.read()
        assert (message["type"], message["code"]) == ("error", "unauthorized")
        assert client.closed()[0] == 1008


def test_a_websocket_has_its_token_in_a_header_or_a_subprotocol(server: GatewayServer) -> None:
    with live_client(server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert client.read()["type"] == "welcome"
    with live_client(server, "rtp.v1", f"rtp.token.{TOKEN}") as client:
        assert client.read()["type"] == "welcome"
        assert client.socket.subprotocol == "rtp.v1"


def test_a_connection_ends_when_its_token_does_with_the_reason(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.gateway.access._LEEWAY_SECONDS", 0)
    token = jwt.encode({"exp": int(time.time()) + 2}, KEY, "HS256")
    elsewhere = {"X_Forwarded_For": "203.0.113.7"}
    with (
        live_client(server, "rtp.v1", f"rtp.token.{token}") as client,
        asking(server, f"/v1/sse?access_token={token}&snapshot=false", **elsewhere) as response,
    ):
        assert client.read()["type"] == "welcome"
        assert client.next("error")["code"] == "token_over"
        assert client.closed()[0] == 1008
        last = [message for message in stream_events(response) if "data" in message][-1]
        assert json.loads(last["data"])["code"] == "token_over"


def test_an_event_stream_has_its_token_in_a_header_or_the_address_and_nothing_logs_it(
    server: GatewayServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert answer_of(server, "/v1/sse").error == "unauthorized"
        wrong = "a-wrong-token-in-the-address"
        assert answer_of(server, f"/v1/sse?access_token={wrong}").status == 401
        for path, headers in (
            (f"/v1/sse?access_token={TOKEN}", {}),
            ("/v1/sse", {"Authorization": f"Bearer {TOKEN}"}),
        ):
            with asking(server, path, **headers) as response:
                assert response.status == 200
    assert TOKEN not in caplog.text
    assert wrong not in caplog.text


def test_a_token_that_narrows_shows_what_it_allows_and_nothing_else(
    server: GatewayServer, module_redis_url: str
) -> None:
    token = signed(rtp={"entities": ["allowed*"]})
    with (
        closing(RedisSink(RedisSettings(), url=module_redis_url, poll_interval_seconds=0.001)) as sink,
        live_client(server, "rtp.v1", f"rtp.token.{token}") as client,
    ):
        client.subscribe()
        at = time.time_ns()
        sink.deliver([make_event(at, entity="secret"), make_event(at + 1, entity="allowed-1")])
        assert client.next("event")["event"]["data"]["entity"] == "allowed-1"
        assert answer_of(server, f"/metrics?access_token={token}").error == "forbidden"


def test_the_page_and_the_probes_ask_for_no_token_and_the_metrics_do(server: GatewayServer) -> None:
    assert [answer_of(server, path).status for path in ("/", "/rtp.js", "/healthz", "/readyz")] == [200] * 4
    assert answer_of(server, "/metrics").status == 401
    assert answer_of(server, "/metrics", Authorization=f"Bearer {TOKEN}").status == 200


def test_connections_count_for_the_address_that_a_trusted_proxy_tells(server: GatewayServer) -> None:
    def from_address(address: str) -> dict[str, str]:
        return {"X-Forwarded-For": f"203.0.113.9, {address}", "Authorization": f"Bearer {TOKEN}"}

    with (
        live_client(server, additional_headers=from_address("203.0.113.1")) as one,
        live_client(server, additional_headers=from_address("203.0.113.2")) as other,
        live_client(server, additional_headers=from_address("203.0.113.1")) as one_more,
    ):
        assert [client.read()["type"] for client in (one, other, one_more)] == ["welcome", "welcome", "error"]


# Where it listens.


@pytest.fixture
def serve(command: Command, redis_url: str) -> Callable[..., Any]:
    return lambda *arguments: command("serve", "--redis-url", redis_url, *arguments)


def test_an_address_that_others_reach_is_refused_without_a_token(serve: Callable[..., Any]) -> None:
    done = serve("--listen", "0.0.0.0:0")
    assert (done.code, done.err.splitlines()) == (
        2,
        [
            "serve.listen: 0.0.0.0:0 is open to other machines, and anybody there could read everything. Set"
            " RTP_SERVE_TOKEN or serve.jwt, or listen on 127.0.0.1"
        ],
    )


def test_an_address_that_is_taken_is_one_line(serve: Callable[..., Any], server: GatewayServer) -> None:
    place = server.url.removeprefix("http://")
    done = serve("--listen", place)
    assert done.code == 2
    assert f"serve.listen: rtp cannot listen on {place}: Address already in use" in done.err


def test_a_certificate_that_cannot_be_used_is_one_line(redis_url: str, tmp_path: Path) -> None:
    files = {"certificate": str(tmp_path / "away.pem"), "key": str(tmp_path / "away.key")}
    with pytest.raises(SettingsError, match=r"^serve\.tls: .*away\.pem and .* cannot be used: .*No such file"):
        GatewayServer(serve_settings(redis_url, tls=files))


@needs_openssl
def test_it_speaks_tls_by_itself(redis_url: str, tmp_path: Path) -> None:
    with tls_proxy(1, tmp_path):
        pass
    files = {"certificate": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")}
    context = ssl.create_default_context(cafile=files["certificate"])
    with serving(serve_settings(redis_url, tls=files)) as server, live_client(server, ssl=context) as client:
        assert server.url.startswith("https://")
        assert client.read()["type"] == "welcome"
