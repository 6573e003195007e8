"""What a service's answers mean, from real HTTP servers that answer as services do, badly, or not at all."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram

from core.errors import SettingsError
from core.kinds import SHIPPED as KINDS
from core.notify.answer import Accepted, Answer, Declined, Later
from core.notify.service.apprise_service import AppriseService
from core.notify.voice import Voice
from core.notify.words.message import Message
from core.notify.words.templates import SHIPPED
from core.notify.words.view import Background
from rtp_client.event import Severity
from tests.eventually import eventually
from tests.samples import make_event
from tests.smtp_server import mail_server
from tests.tls_proxy import needs_openssl, tls_proxy
from tests.webhook_server import Posted, Reply, WebhookServer, together, webhook_server

SECRET = "bot-t0ken"
MESSAGE = Message("WARNING: lido TVL fell 7%", "Source: llama", "text", Severity.WARNING)
NASTY = "@everyone <!channel> *x*_y_[z](http://claim.com) `a` & b"


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as one:
        yield one


@pytest.fixture
def service(server: WebhookServer) -> Iterator[AppriseService]:
    with closing(service_at(f"json://127.0.0.1:{server.port}/{SECRET}?-token={SECRET}")) as one:
        yield one


def service_at(address: str, timeout_seconds: float = 60) -> AppriseService:
    return AppriseService(address, place="notify[0].to: desk/1", timeout_seconds=timeout_seconds)


def mail_service(port: int) -> AppriseService:
    return service_at(f"mailto://127.0.0.1:{port}/?from=rtp@example.com&to=desk@example.com&mode=insecure")


def voice_of(service: AppriseService) -> Voice:
    return Voice("desk/1", "desk", service, SHIPPED, Background(KINDS, {}), lambda problem: pytest.fail(problem.text))


def told(service: AppriseService, server: WebhookServer, reply: Reply) -> Answer:
    server.reply = lambda _: reply
    return service.tell(MESSAGE)


def test_a_message_that_is_taken_is_accepted_as_it_was_written(service: AppriseService, server: WebhookServer) -> None:
    assert service.tell(MESSAGE) == Accepted()
    (posted,) = server.posted
    said = json.loads(posted.body)
    assert (said["title"], said["message"], said["type"]) == (MESSAGE.title, MESSAGE.body, "warning")


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (Reply(429, {"Retry-After": "7"}), Later("it answers 429", after_seconds=7)),
        (
            Reply(429, body=b'{"parameters":{"retry_after":35}}'),
            Later('it answers 429: {"parameters":{"retry_after":35}}', after_seconds=35),
        ),
        (Reply(500, body=f"lost {SECRET}".encode()), Later("it answers 500: lost ***")),
        (Reply(503, {"Retry-After": "3"}), Later("it answers 503", after_seconds=3, is_away=True)),
        (Reply(401), Later("it answers 401")),
        (
            Reply(302, {"Location": "/elsewhere"}),
            Later("it answers 302, and rtp follows no redirect. Write the address that it leads to"),
        ),
        (Reply(400, body=b"no such field"), Declined("it answers 400: no such field")),
        (Reply(raw=b"garbage\r\n\r\n"), Later("its answer cannot be read", is_away=True)),
        (Reply(raw=b""), Later("it closed the connection without an answer", is_away=True)),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x00"), Accepted()),
    ],
    ids=lambda one: f"{one.status} {one.raw!r}" if isinstance(one, Reply) else "",
)
def test_what_an_answer_means(service: AppriseService, server: WebhookServer, reply: Reply, answer: Answer) -> None:
    assert told(service, server, reply) == answer


@pytest.mark.parametrize("kind", ["never", "in bits"])
def test_an_answer_that_takes_too_long_is_not_waited_for(
    server: WebhookServer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    if kind == "never":
        server.freeze()
    server.reply = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600, pause_seconds=0.02)
    with closing(service_at(f"json://127.0.0.1:{server.port}/{SECRET}", 0.3)) as service:
        began = time.monotonic()
        assert service.tell(MESSAGE) == Later("no answer within 0.3 s", is_away=True)
        assert time.monotonic() - began < 6  # half as long as the answer takes
        server.thaw()
        eventually(lambda: told(service, server, Reply()) == Accepted())
    assert SECRET not in caplog.text


def test_a_service_that_is_gone_is_away(service: AppriseService, server: WebhookServer) -> None:
    server.kill()
    assert service.tell(MESSAGE) == Later("Connection refused", is_away=True)


def test_threads_tell_at_once_and_connections_are_kept(service: AppriseService, server: WebhookServer) -> None:
    server.reply = together(4)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: service.tell(MESSAGE), range(20))) == {Accepted()}
    assert len({posted.connection for posted in server.posted}) <= 4


def test_a_mail_has_the_first_line_as_its_subject_and_a_page_of_html() -> None:
    with mail_server() as server, closing(mail_service(server.port)) as service:
        assert voice_of(service).tell([make_event(1, "<b>x</b>", severity="critical")]) == Accepted()
    (mail,) = server.taken
    assert mail["subject"] == "CRITICAL: <b>x</b> TVL rose 2.50%, $100.00 → $102.50, on ethereum, 100% sure"
    (page,) = (part for part in mail.walk() if part.get_content_type() == "text/html")
    assert str(page).split("\n\n", 1)[1].startswith("Source: llama<br>")


def test_what_a_mail_server_refuses_is_told_later_and_why_is_known() -> None:
    with mail_server() as server, closing(mail_service(server.port)) as service:
        server.answer = "451 mailbox of desk@example.com busy"
        answer = service.tell(MESSAGE)
        assert answer == Later("{'***@***': (451, b'mailbox of ***@*** busy')}", is_away=True)


def test_other_users_of_requests_have_sessions_as_ever(service: AppriseService, server: WebhookServer) -> None:
    service.tell(MESSAGE)
    answered = requests.post(server.url, json={}, timeout=5)
    assert answered.status_code == 200
    assert len({posted.connection for posted in server.posted}) == 2


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("jsn://host", "Apprise knows no service jsn://. Did you mean json://?"),
        (f"tgram://{SECRET}", "is no address of Telegram that Apprise can use. See https://appriseit.com"),
        ("tgram://123456789:abcdefg_hijklmnop/1/2", "leads to 2 receivers"),
        (f"https://example.com/{SECRET}", "is no address that a service of Apprise's gives out"),
        ("mqtt://localhost/topic", "MQTT Notification needs what is not installed here"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line_without_it(address: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        service_at(address)
    assert str(refused.value).startswith(f"notify[0].to: desk/1: {complaint}")
    assert SECRET not in str(refused.value)


def test_an_address_may_be_one_that_the_service_itself_gives() -> None:
    with closing(service_at("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")) as service:
        assert service.kind == "Discord"


def test_a_plugin_does_not_insist_where_its_service_asks_for_a_pause(
    server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{server.port}")
    with closing(service_at(f"discord://4174216298/{SECRET}")) as service:
        assert told(service, server, Reply(429, body=b'{"retry_after":0.65}')) == Later(
            'it answers 429: {"retry_after":0.65}', after_seconds=0.65
        )
        assert len(server.posted) == 1


@needs_openssl
def test_over_tls_a_connection_is_kept_and_an_answer_that_never_ends_is_cut(
    server: WebhookServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_proxy(server.port, tmp_path) as proxy:
        with closing(service_at(f"jsons://127.0.0.1:{proxy.port}")) as service:
            assert service.tell(MESSAGE) == Later(
                "its certificate is not trusted: self-signed certificate", is_away=True
            )
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(proxy.certificate))
        with closing(service_at(f"jsons://127.0.0.1:{proxy.port}")) as service:
            assert {service.tell(MESSAGE) for _ in range(3)} == {Accepted()}
            assert len({posted.connection for posted in server.posted}) == 1
        with closing(service_at(f"jsons://127.0.0.1:{proxy.port}", 0.5)) as service:
            slow = Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600, pause_seconds=0.02)
            assert told(service, server, slow) == Later("no answer within 0.5 s", is_away=True)


def _telegram(posted: Posted) -> str:
    said = json.loads(posted.body)
    return f"{said['parse_mode']}: {said['text']}"


def _discord(posted: Posted) -> str:
    return str(json.loads(posted.body)["content"])


def _slack(posted: Posted) -> str:
    (attachment,) = json.loads(posted.body)["attachments"]
    return "\n".join(block["text"]["text"] for block in attachment["blocks"] if "text" in block)


@pytest.mark.parametrize(
    ("address", "read", "expected"),
    [
        (
            "tgram://123456789:abcdefg_hijklmnop/12345",
            _telegram,
            "HTML: <b>WARNING: @\u200beveryone &lt;!channel&gt; *x*_y_[z](http:\u200b//claim.\u200bcom) `a` &amp; b",
        ),
        (
            "tgram://123456789:abcdefg_hijklmnop/12345?format=markdown&mdv=v2",
            _telegram,
            "MarkdownV2: *WARNING: @\u200beveryone \\<\\!channel\\> \\*x\\*\\_y\\_"
            "\\[z\\]\\(http:\u200b//claim\\.\u200bcom\\) \\`a\\` & b TVL",
        ),
        (
            "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
            _discord,
            "**WARNING: @\u200beveryone \\<!channel\\> \\*x\\*\\_y\\_"
            "\\[z\\](http:\u200b//claim.\u200bcom) \\`a\\` & b TVL",
        ),
        (
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
            _slack,
            "WARNING: @everyone &lt;!channel&gt; *x*_y_[z](http://claim.com) `a` &amp; b TVL",
        ),
    ],
    ids=["telegram", "telegram-markdown", "discord", "slack"],
)
def test_names_reach_a_service_as_text_of_its_markup(
    server: WebhookServer,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    read: Callable[[Posted], str],
    expected: str,
) -> None:
    here = f"http://127.0.0.1:{server.port}/"
    monkeypatch.setattr(NotifyTelegram, "notify_url", here)
    monkeypatch.setattr(NotifySlack, "webhook_url", here)
    monkeypatch.setattr(NotifyDiscord, "notify_url", here)
    server.reply = lambda _: Reply(body=b"ok")
    with closing(service_at(address)) as service:
        assert voice_of(service).tell([make_event(1, NASTY, severity="warning")]) == Accepted()
    assert read(server.posted[0]).startswith(expected)
