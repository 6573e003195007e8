"""The webhook sink: what goes over the wire, and what each answer means for order, retries and dead letters."""

from __future__ import annotations

import hmac
import html
import json
import logging
import socket
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LeadershipLost, SinkUnavailable
from core.leading.epoch import Epoch
from core.sinks.webhook.answers import reason_of
from core.sinks.webhook.connection import WebAnswer
from core.sinks.webhook.settings import WebhookSettings
from core.sinks.webhook.sink import WebhookSink
from loadtests.shared.proxy import TcpProxy
from rtp_client.spellings import any_spelling
from tests.eventually import eventually
from tests.samples import make_event
from tests.tls_proxy import needs_openssl, tls_proxy
from tests.webhook_server import Posted, Reply, WebhookServer, together, webhook_server

if TYPE_CHECKING:
    from pathlib import Path

    Open = Callable[..., WebhookSink]

SECRET = "whsec_" + b64encode(b"0123456789abcdef01234567").decode()
OLD_SECRET = "whsec_" + b64encode(b"old-old-old-old-old-old-").decode()


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as running:
        yield running


@pytest.fixture
def open_sink(server: WebhookServer) -> Iterator[Open]:
    """Opens a sink that posts to the server, or elsewhere, with these keys in its settings."""
    with ExitStack() as sinks:

        def open_sink(url: str | None = None, **keys: Any) -> WebhookSink:
            settings = WebhookSettings.model_validate({"url": url or server.url, **keys})
            (webhook,) = settings.root.values()
            return sinks.enter_context(closing(WebhookSink(webhook)))

        yield open_sink


def entities(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["entity"] for event in events]


def sequences(server: WebhookServer, entity: str) -> list[int]:
    return [int(event["sequence"]) for event in server.events if event["data"]["entity"] == entity]


def answering(status: int, entity: str, **reply: Any) -> Callable[[Posted], Reply]:
    """This status for requests with this protocol, success for the others."""
    return lambda posted: Reply(status, **reply) if posted.names(entity) else Reply()


# On the wire


def test_structured_mode_posts_each_event_as_it_is(server: WebhookServer, open_sink: Open) -> None:
    event = make_event(1)
    open_sink().deliver([event])
    (posted,) = server.posted
    assert (posted.headers["content-type"], posted.body) == (
        "application/cloudevents+json; charset=utf-8",
        event.json_bytes,
    )


def test_binary_mode_puts_the_attributes_into_headers(server: WebhookServer, open_sink: Open) -> None:
    event = make_event(1, "ünï %")
    open_sink(mode="binary").deliver([event])
    (posted,) = server.posted
    assert (posted.headers["content-type"], json.loads(posted.body)) == (
        "application/json",
        json.loads(event.json_bytes)["data"],
    )
    assert posted.headers["ce-subject"] == "ethereum/%25C3%25BCn%25C3%25AF%2520%2525"


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_cloudevents_library_reads_what_is_posted(server: WebhookServer, open_sink: Open, mode: str) -> None:
    event = make_event(1, "ünï %")
    open_sink(mode=mode).deliver([event])
    (posted,) = server.posted
    read = from_http_event(HTTPMessage(posted.headers, posted.body))
    data: Any = read.get_data()
    assert (read.get_id(), read.get_subject(), data["entity"]) == (event.id, event.subject, "ünï %")


def test_batched_mode_posts_several_events_at_once(server: WebhookServer, open_sink: Open) -> None:
    events = [make_event(sequence, f"p{sequence % 2}") for sequence in range(1, 6)]
    open_sink(mode="batched").deliver(events)
    (posted,) = server.posted
    assert posted.headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert posted.events == [json.loads(event.json_bytes) for event in events]


def test_a_batch_holds_at_most_so_many_events(server: WebhookServer, open_sink: Open) -> None:
    open_sink(mode="batched", batch_size=4, concurrency=1).deliver([make_event(n, f"p{n}") for n in range(1, 11)])
    assert [len(posted.events) for posted in server.posted] == [4, 4, 2]


def test_a_batch_holds_at_most_a_megabyte(server: WebhookServer, open_sink: Open) -> None:
    events = [make_event(n, provenance="x" * 400_000) for n in range(1, 4)]
    open_sink(mode="batched", concurrency=1).deliver(events)
    assert [len(posted.events) for posted in server.posted] == [2, 1]


def test_the_trace_context_is_in_headers_too(server: WebhookServer, open_sink: Open) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    open_sink().deliver([make_event(1, traceparent=traceparent)])
    assert server.posted[0].headers["traceparent"] == traceparent


def test_headers_of_the_settings_are_sent(server: WebhookServer, open_sink: Open) -> None:
    open_sink(headers={"Authorization": "Bearer t0ken"}).deliver([make_event(1)])
    assert server.posted[0].headers["authorization"] == "Bearer t0ken"


def test_a_user_in_the_address_is_sent_as_basic_authentication(server: WebhookServer, open_sink: Open) -> None:
    open_sink(server.url.replace("://", "://rtp:p%40ss@")).deliver([make_event(1)])
    kind, _, credentials = server.posted[0].headers["authorization"].partition(" ")
    assert (kind, b64decode(credentials)) == ("Basic", b"rtp:p@ss")


def test_a_connection_is_kept_between_requests(server: WebhookServer, open_sink: Open) -> None:
    sink = open_sink(concurrency=1)
    for sequence in range(1, 4):
        sink.deliver([make_event(sequence)])
    assert len({posted.connection for posted in server.posted}) == 1


# Signatures


def is_signed(posted: Posted, secret: str) -> bool:
    """As a receiver checks it: Standard Webhooks."""
    signed = f"{posted.headers['webhook-id']}.{posted.headers['webhook-timestamp']}.".encode() + posted.body
    expected = b64encode(hmac.digest(b64decode(secret.removeprefix("whsec_")), signed, "sha256")).decode()
    return f"v1,{expected}" in posted.headers["webhook-signature"].split()


@pytest.mark.parametrize("mode", ["structured", "binary", "batched"])
def test_a_request_is_signed(server: WebhookServer, open_sink: Open, mode: str) -> None:
    open_sink(mode=mode, secrets=[SECRET]).deliver([make_event(1)])
    assert is_signed(server.posted[0], SECRET)


def test_while_secrets_change_every_one_of_them_signs(server: WebhookServer, open_sink: Open) -> None:
    open_sink(secrets=[SECRET, OLD_SECRET]).deliver([make_event(1)])
    assert is_signed(server.posted[0], SECRET)
    assert is_signed(server.posted[0], OLD_SECRET)


def test_the_timestamp_is_that_of_the_request(server: WebhookServer, open_sink: Open) -> None:
    open_sink(secrets=[SECRET]).deliver([make_event(1)])
    assert abs(int(server.posted[0].headers["webhook-timestamp"]) - time.time()) < 60


def test_without_a_secret_there_is_no_signature(server: WebhookServer, open_sink: Open) -> None:
    open_sink().deliver([make_event(1)])
    assert "webhook-signature" not in server.posted[0].headers


@pytest.mark.parametrize("mode", ["structured", "batched"])
def test_what_is_sent_again_has_the_id_that_it_had(server: WebhookServer, open_sink: Open, mode: str) -> None:
    sink = open_sink(mode=mode)
    for _ in range(2):
        sink.deliver([make_event(1), make_event(2)])
    ids = [posted.headers["webhook-id"] for posted in server.posted]
    assert ids[: len(ids) // 2] == ids[len(ids) // 2 :]


# Order, and several groups at a time


@pytest.mark.parametrize("mode", ["structured", "batched"])
def test_a_group_arrives_in_order(server: WebhookServer, open_sink: Open, mode: str) -> None:
    events = [make_event(sequence, f"p{sequence % 7}") for sequence in range(1, 71)]
    open_sink(mode=mode, batch_size=5).deliver(events)
    for entity in {event.data.entity for event in events}:
        assert sequences(server, entity) == [int(e.sequence) for e in events if e.data.entity == entity]


def test_no_more_requests_are_under_way_than_the_settings_allow(server: WebhookServer, open_sink: Open) -> None:
    server.reply = together(3)
    open_sink(concurrency=3).deliver([make_event(sequence, f"p{sequence}") for sequence in range(1, 31)])
    assert server.most_at_once == 3


@pytest.mark.parametrize("mode", ["structured", "batched"])
def test_a_group_whose_event_failed_stops_and_the_others_go_on(
    server: WebhookServer, open_sink: Open, mode: str
) -> None:
    server.reply = answering(500, "bad")
    events = [make_event(sequence, ("bad", "good")[sequence % 2]) for sequence in range(1, 9)]
    outcome = open_sink(mode=mode, batch_size=1).deliver(events)
    assert outcome.undelivered == [event for event in events if event.data.entity == "bad"]
    assert sequences(server, "good") == [1, 3, 5, 7]
    assert len([posted for posted in server.posted if posted.names("bad")]) == 1


# What the answers mean


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_one(server: WebhookServer, open_sink: Open, status: int) -> None:
    server.reply = lambda _: Reply(status)
    assert not open_sink().deliver([make_event(1)]).undelivered


@pytest.mark.parametrize("status", [400, 405, 406, 409, 410, 411, 413, 414, 415, 418, 422, 451])
def test_what_can_never_succeed_is_refused_for_good(server: WebhookServer, open_sink: Open, status: int) -> None:
    server.reply = answering(status, "bad", body=b"no such\nprotocol")
    events = [make_event(1, "bad"), make_event(2, "good")]
    outcome = open_sink().deliver(events)
    (rejection,) = outcome.rejected
    assert (rejection.event, rejection.is_final, outcome.undelivered) == (events[0], True, [])
    assert rejection.error == f"it answers {status}: no such protocol"


def test_the_events_behind_a_dead_one_of_their_group_go_on(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda posted: Reply(422 if posted.events[0]["sequence"].endswith("1") else 200)
    open_sink().deliver([make_event(1), make_event(2), make_event(3)])
    assert sequences(server, "lido") == [2, 3]


def test_what_is_not_found_may_be_found_later(server: WebhookServer, open_sink: Open) -> None:
    server.reply = answering(404, "lido")
    (rejection,) = open_sink().deliver([make_event(1)]).rejected
    assert not rejection.is_final


@pytest.mark.parametrize("status", [408, 425, 502, 503, 504, 999])
def test_a_webhook_that_takes_nothing_now_is_away(server: WebhookServer, open_sink: Open, status: int) -> None:
    server.reply = lambda _: Reply(status)
    with pytest.raises(SinkUnavailable, match=f"is not reachable: it answers {status}") as away:
        open_sink().deliver([make_event(1)])
    assert away.value.is_service_down


@pytest.mark.parametrize(
    ("status", "asked", "wish"),
    [
        (429, "", "asked us to slow down: it answers 429"),
        (429, "30", r"asked us to slow down until \d\d:\d\d:\d\dZ: it answers 429"),
        (503, "30", r"asked us to wait until \d\d:\d\d:\d\dZ: it answers 503"),
    ],
)
def test_a_webhook_that_asks_for_time_is_quoted(
    server: WebhookServer, open_sink: Open, status: int, asked: str, wish: str
) -> None:
    server.reply = lambda _: Reply(status, headers={"Retry-After": asked})
    with pytest.raises(SinkUnavailable, match=wish) as away:
        open_sink().deliver([make_event(1)])
    assert away.value.is_service_down


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_webhook_that_does_not_let_rtp_in_refuses(server: WebhookServer, open_sink: Open, status: int) -> None:
    server.reply = lambda _: Reply(status)
    with pytest.raises(SinkUnavailable, match="refuses") as refusal:
        open_sink().deliver([make_event(1)])
    assert not refusal.value.is_service_down


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: WebhookServer, open_sink: Open, status: int) -> None:
    server.reply = lambda _: Reply(status, headers={"Location": server.url})
    with pytest.raises(SinkUnavailable, match="follows no redirect"):
        open_sink().deliver([make_event(1)])
    assert len(server.posted) == 1


def test_an_outage_in_the_middle_leaves_only_what_is_not_in(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda posted: Reply(200 if len(server.posted) <= 3 else 503)
    events = [make_event(sequence, f"p{sequence}") for sequence in range(1, 11)]
    outcome = open_sink(concurrency=1).deliver(events)
    assert (outcome.undelivered, len(server.posted)) == (events[3:], 4)


@pytest.mark.parametrize("status", [429, 503])
def test_it_is_left_alone_for_as_long_as_it_asks(server: WebhookServer, open_sink: Open, status: int) -> None:
    server.reply = lambda _: Reply(status, headers={"Retry-After": "1"})
    sink = open_sink()
    with pytest.raises(SinkUnavailable):
        sink.deliver([make_event(1)])
    asked_at = time.monotonic()
    server.reply = lambda _: Reply()

    def is_taken() -> bool:
        try:
            sink.deliver([make_event(1)])
        except SinkUnavailable as away:
            assert "asked us to" in str(away)
        return bool(server.taken)

    eventually(is_taken)
    assert 0.9 < time.monotonic() - asked_at < 10
    assert len(server.posted) == 2


@pytest.mark.parametrize(("status", "is_down"), [(401, False), (403, False), (429, True)])
def test_a_refusal_that_asks_for_time_stays_a_refusal(
    server: WebhookServer, open_sink: Open, status: int, is_down: bool
) -> None:
    server.reply = lambda _: Reply(status, headers={"Retry-After": "90"})
    sink = open_sink()
    for _ in range(2):
        with pytest.raises(SinkUnavailable, match=f"it answers {status}") as away:
            sink.deliver([make_event(1)])
        assert away.value.is_service_down is is_down
    assert len(server.posted) == 1


def test_it_may_ask_with_a_date(server: WebhookServer, open_sink: Open) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.reply = lambda _: Reply(429, headers={"Retry-After": later})
    with pytest.raises(SinkUnavailable) as away:
        open_sink().deliver([make_event(1)])
    assert 80 < away.value.silent_until - time.monotonic() < 91


@pytest.mark.parametrize("asked", ["soon", "-5", "", "Tue, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_what_asks_for_no_time_to_come_is_passed_over(server: WebhookServer, open_sink: Open, asked: str) -> None:
    server.reply = lambda _: Reply(429, headers={"Retry-After": asked})
    sink = open_sink()
    for _ in range(2):
        with pytest.raises(SinkUnavailable, match="it answers 429"):
            sink.deliver([make_event(1)])


def test_nobody_is_left_alone_for_more_than_an_hour(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda _: Reply(429, headers={"Retry-After": "999999999999"})
    with pytest.raises(SinkUnavailable) as away:
        open_sink().deliver([make_event(1)])
    assert 3500 < away.value.silent_until - time.monotonic() <= 3600


# Batches


def test_a_batch_that_fails_is_not_in_at_all(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda _: Reply(500)
    events = [make_event(sequence, f"p{sequence % 2}") for sequence in range(1, 5)]
    outcome = open_sink(mode="batched").deliver(events)
    assert (outcome.undelivered, len(server.posted)) == (events, 1)


def test_the_one_event_that_a_batch_is_refused_for_is_found(server: WebhookServer, open_sink: Open) -> None:
    server.reply = answering(422, "bad")
    events = [make_event(1, "good"), make_event(2, "bad"), make_event(3, "good")]
    outcome = open_sink(mode="batched").deliver(events)
    assert ([rejection.event for rejection in outcome.rejected], outcome.undelivered) == ([events[1]], [])
    assert sequences(server, "good") == [1, 3]


def test_a_batch_sent_one_by_one_keeps_its_order_behind_a_failure(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda posted: Reply(413 if len(posted.events) > 1 else 500 if posted.names("slow") else 200)
    events = [make_event(sequence, ("slow", "quick")[sequence % 2]) for sequence in range(1, 7)]
    outcome = open_sink(mode="batched").deliver(events)
    assert outcome.undelivered == [event for event in events if event.data.entity == "slow"]


# No answer


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "closed the connection without an answer"),
        (b"<html>", "cannot be read"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "cannot be read"),
        (b"\x00" * 100_000, "cannot be read"),
    ],
    ids=["nothing", "html", "no status", "zeros"],
)
def test_an_answer_that_makes_no_sense_says_nothing_is_delivered(
    server: WebhookServer, open_sink: Open, raw: bytes, said: str
) -> None:
    server.reply = lambda _: Reply(raw=raw)
    with pytest.raises(SinkUnavailable, match=said):
        open_sink().deliver([make_event(1)])


def test_no_answer_is_waited_for_longer_than_the_settings_say(server: WebhookServer, open_sink: Open) -> None:
    server.freeze()
    started = time.monotonic()
    with pytest.raises(SinkUnavailable, match=r"no answer within 0\.3 s"):
        open_sink(timeout_seconds=0.3).deliver([make_event(1)])
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "rest",
    [b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"bad header\r\n\r\n"],
    ids=["half a body", "no chunk", "bad header"],
)
def test_the_status_counts_whatever_comes_behind_it(server: WebhookServer, open_sink: Open, rest: bytes) -> None:
    server.reply = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\n" + rest)
    sink = open_sink(concurrency=1)
    assert not sink.deliver([make_event(1), make_event(2)]).undelivered


def test_a_body_in_bits_is_not_waited_for(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000, pause_seconds=0.02)
    started = time.monotonic()
    assert not open_sink(timeout_seconds=3).deliver([make_event(1)]).undelivered
    assert time.monotonic() - started < 10  # half as long as the body takes


def test_headers_in_bits_are_not_waited_for_longer_either(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, pause_seconds=0.02)
    started = time.monotonic()
    started = time.monotonic()
    with pytest.raises(SinkUnavailable, match=r"no answer within 0\.5 s"):
        open_sink(timeout_seconds=0.5).deliver([make_event(1)])
    assert time.monotonic() - started < 5


def test_a_long_answer_is_not_read_to_its_end(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda _: Reply(body=b"x" * 1_000_000)
    sink = open_sink(concurrency=1)
    assert not sink.deliver([make_event(1), make_event(2)]).undelivered


def test_a_half_open_connection_is_noticed(server: WebhookServer, open_sink: Open) -> None:
    with closing(TcpProxy(server.port)) as proxy:
        sink = open_sink(server.url.replace(str(server.port), str(proxy.port)), timeout_seconds=2)
        sink.deliver([make_event(1)])
        proxy.half_open()
        with pytest.raises(SinkUnavailable, match="no answer within"):
            sink.deliver([make_event(2)])
        assert not sink.deliver([make_event(2)]).undelivered


def test_a_server_that_has_closed_a_kept_connection_is_connected_to_anew(
    server: WebhookServer, open_sink: Open
) -> None:
    sink = open_sink()
    sink.deliver([make_event(1)])
    server.kill()
    server.start()
    assert not sink.deliver([make_event(2)]).undelivered


def test_nobody_listening_is_told_as_such(open_sink: Open) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        sink = open_sink(f"http://127.0.0.1:{free.getsockname()[1]}/")
        with pytest.raises(SinkUnavailable, match="Connection refused"):
            sink.open()


def test_a_name_that_nobody_knows_is_told_as_such(open_sink: Open) -> None:
    with pytest.raises(SinkUnavailable, match="its name is not known"):
        open_sink("https://hooks.invalid/").open()


def test_opening_posts_nothing(server: WebhookServer, open_sink: Open) -> None:
    open_sink().open()
    assert server.posted == []


def test_a_request_is_not_repeated_in_an_epoch_that_is_over(server: WebhookServer, open_sink: Open) -> None:
    sink = open_sink(concurrency=1)
    sink.epoch = Epoch(1)
    sink.deliver([make_event(1)])

    def hang_up(_: Posted) -> Reply:
        sink.epoch.end()
        return Reply(raw=b"")

    server.reply = hang_up
    with pytest.raises(LeadershipLost):
        sink.deliver([make_event(2)])  # over the connection that was kept
    assert len(server.posted) == 2


def test_nothing_is_sent_in_an_epoch_that_is_over(server: WebhookServer, open_sink: Open) -> None:
    sink = open_sink()
    sink.epoch = Epoch(1)
    sink.epoch.end()
    with pytest.raises(LeadershipLost):
        sink.deliver([make_event(1)])
    assert server.posted == []


# TLS


@needs_openssl
def test_a_certificate_that_nobody_vouches_for_is_refused(
    server: WebhookServer, open_sink: Open, tmp_path: Path
) -> None:
    refusal = pytest.raises(SinkUnavailable, match="its certificate is not trusted: self-signed certificate")
    with tls_proxy(server.port, tmp_path) as proxy, refusal:
        open_sink(f"https://127.0.0.1:{proxy.port}/hook").deliver([make_event(1)])
    assert server.posted == []


@needs_openssl
def test_a_certificate_of_another_host_is_refused(
    server: WebhookServer, open_sink: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_proxy(server.port, tmp_path) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
        with pytest.raises(SinkUnavailable, match="certificate is not valid for 'localhost'"):
            open_sink(f"https://localhost:{proxy.port}/hook").open()


@needs_openssl
def test_events_go_over_tls(
    server: WebhookServer, open_sink: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_proxy(server.port, tmp_path) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(proxy.certificate))
        open_sink(f"https://127.0.0.1:{proxy.port}/hook").deliver([make_event(1), make_event(2)])
    assert sequences(server, "lido") == [1, 2]


# Secrets


def secretive(server: WebhookServer, open_sink: Open) -> WebhookSink:
    return open_sink(
        server.url.replace("://", "://rtp:p4ss@"), headers={"X-Key": "k3y", "X-Auth": "Bearer t0ken"}, secrets=[SECRET]
    )


def hides(text: str) -> bool:
    return not any(secret in text for secret in ("s3cret", "p4ss", "k3y", "t0ken", SECRET, "rtp:", "/hook"))


def test_the_address_is_shown_without_what_may_be_secret(server: WebhookServer, open_sink: Open) -> None:
    sink = secretive(server, open_sink)
    assert sink.address == f"http://127.0.0.1:{server.port}"


def test_the_settings_are_shown_without_secrets(server: WebhookServer) -> None:
    keys = {"url": server.url.replace("://", "://rtp:p4ss@"), "headers": {"X-Key": "k3y"}, "secrets": [SECRET]}
    assert hides(repr(WebhookSettings.model_validate(keys)))


def test_an_answer_that_repeats_the_request_is_shown_without_secrets(server: WebhookServer, open_sink: Open) -> None:
    def echo(posted: Posted) -> Reply:
        return Reply(400, body=f"{posted.headers} {posted.path}".encode()[:60_000])

    server.reply = echo
    (rejection,) = secretive(server, open_sink).deliver([make_event(1)]).rejected
    assert hides(rejection.error)


def test_an_answer_that_repeats_a_signing_secret_without_its_prefix_hides_it(
    server: WebhookServer, open_sink: Open
) -> None:
    server.reply = lambda _: Reply(400, body=SECRET.removeprefix("whsec_").encode())
    (rejection,) = secretive(server, open_sink).deliver([make_event(1)]).rejected
    assert rejection.error == "it answers 400: ***"


SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret)[1:-1].replace("/", r"\/"),
    lambda secret: "".join(f"\\u{ord(character):04X}" for character in secret),
    html.escape,
    lambda secret: "".join(f"&#{ord(character)};" for character in secret),
    lambda secret: quote(secret, safe=""),
    lambda secret: quote(secret, safe="").lower(),
    quote_plus,
]


@given(secret=st.from_regex(r"[!-~]{2}[ -~]*[!-~]{2}", fullmatch=True), spell=st.sampled_from(SPELLINGS))
def test_an_answer_hides_a_secret_in_any_spelling(secret: str, spell: Callable[[str], str]) -> None:
    answer = WebAnswer(400, {}, f"you sent {spell(secret)} here".encode())
    assert reason_of(answer, any_spelling([secret])) == "it answers 400: you sent *** here"


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nbad header\r\nContent-Length: 0\r\n\r\n", b"<html>"])
def test_neither_errors_nor_logs_name_a_secret(
    server: WebhookServer, open_sink: Open, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    server.reply = lambda _: Reply(raw=raw)
    caplog.set_level(logging.DEBUG)
    try:
        said = str(secretive(server, open_sink).deliver([make_event(1)]))
    except SinkUnavailable as error:
        said = str(error)
    assert hides(said.replace(make_event(1).json_bytes.decode(), "") + caplog.text)


def test_an_event_is_not_lost_where_its_answer_is(server: WebhookServer, open_sink: Open) -> None:
    server.reply = lambda _: Reply(raw=b"")
    sink, events = open_sink(), [make_event(1), make_event(2)]
    with pytest.raises(SinkUnavailable):
        sink.deliver(events)
    server.reply = lambda _: Reply()
    assert not sink.deliver(events).undelivered
    assert sequences(server, "lido") == [1, 2]


# The end


def test_an_answer_that_never_comes_is_given_up(server: WebhookServer, open_sink: Open) -> None:
    sink = open_sink(timeout_seconds=60)
    server.freeze()
    giving_up = threading.Thread(target=lambda: [eventually(lambda: server.posted), sink.abandon()])
    giving_up.start()
    started = time.monotonic()
    with pytest.raises(SinkUnavailable, match="rtp stops before the answer"):
        sink.deliver([make_event(1)])
    sink.close()
    assert time.monotonic() - started < 10
    giving_up.join()


def test_what_was_taken_before_the_rest_is_given_up_is_delivered(server: WebhookServer, open_sink: Open) -> None:
    sink, events = open_sink(concurrency=1, timeout_seconds=60), [make_event(1), make_event(2)]

    def freeze_after_the_first(_: Posted) -> Reply:
        server.freeze()
        return Reply()

    server.reply = freeze_after_the_first
    giving_up = threading.Thread(target=lambda: [eventually(lambda: len(server.posted) == 2), sink.abandon()])
    giving_up.start()
    outcome = sink.deliver(events)
    assert (outcome.undelivered, outcome.cause) == (events[1:], "rtp stops before the answer")
    giving_up.join()
