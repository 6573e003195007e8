"""Somebody says that they look after what they were told: on the page behind a message's link, or by a command."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import redis

from core.notify.acknowledgement.acknowledgements import Acknowledgements, Expected, offer_of
from core.notify.acknowledgement.links import HOLDS_SECONDS, AcknowledgeLinks
from tests.gateway import serve_settings, serving
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.gateway.server import GatewayServer
    from tests.command import Command

KEY = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0


@pytest.fixture
def acknowledgements(client: redis.Redis) -> Acknowledgements:
    return Acknowledgements(client, "redis://test")


def expected(number: int, *, entity: str = "lido", audience: str = "desk", until: float = NOW) -> Expected:
    return Expected(audience, make_event(number, entity), until)


def test_what_nobody_acknowledges_is_overdue_until_others_were_told(acknowledgements: Acknowledgements) -> None:
    one = expected(1)
    acknowledgements.expect([one, expected(2, entity="aave", until=NOW + 60)])
    acknowledgements.expect([Expected("desk", one.event, NOW + 300)])
    assert acknowledgements.overdue(NOW - 1) == []
    assert acknowledgements.overdue(NOW) == [one]
    acknowledgements.settled([one], escalated=2)
    assert acknowledgements.counts() == (1, 2)
    assert acknowledgements.overdue(NOW) == []


def test_what_is_overdue_brings_along_what_its_entity_has_before_it(acknowledgements: Acknowledgements) -> None:
    early, late = expected(1, until=NOW + 3600), expected(2)
    acknowledgements.expect([late, early, expected(3, until=NOW + 60), expected(1, entity="aave", until=NOW + 60)])
    assert acknowledgements.overdue(NOW) == [early, late]


def test_a_message_is_acknowledged_for_all_audiences_at_once(acknowledgements: Acknowledgements) -> None:
    told = [expected(1), expected(2), expected(2, audience="boss")]
    acknowledgements.expect(told)
    offer = offer_of([one.event for one in told[:2]], "2 alerts")
    acknowledgements.offer(offer)
    assert acknowledgements.find(offer.id) == offer
    assert acknowledgements.acknowledged_at(offer) is None
    assert acknowledgements.counts() == (3, 0)
    acknowledgements.acknowledge(offer, NOW)
    assert acknowledgements.counts() == (0, 0)
    acknowledgements.acknowledge(offer, NOW + 60)
    assert acknowledgements.acknowledged_at(offer) == NOW
    acknowledgements.expect(told)  # as after a crash
    assert acknowledgements.overdue(NOW + 3600) == []


# The command.


def test_the_command_acknowledges_what_a_message_tells_of_or_an_event(
    command: Command, redis_url: str, acknowledgements: Acknowledgements
) -> None:
    one = expected(3)
    acknowledgements.expect([one])
    offer = offer_of([make_event(1), make_event(2)], "2 alerts, critical at worst")
    acknowledgements.offer(offer)
    done = command("notify", "ack", offer.id, one.event.id, "--redis-url", redis_url)
    first, second = done.out.splitlines()
    assert first.startswith(f"Acknowledged {offer.id} at ")
    assert first.endswith(", 2 alerts: 2 alerts, critical at worst")
    assert second.startswith(f"Acknowledged {one.event.id} at ")
    assert acknowledgements.overdue(NOW + 3600) == []
    (document,) = command("notify", "ack", offer.id, "--json", "--redis-url", redis_url).document
    assert (document["id"], document["events"]) == (offer.id, 2)
    assert f"at {document['acknowledged_at']}," in first  # the first time counts


def test_an_id_that_nobody_knows_acknowledges_nothing(
    command: Command, redis_url: str, acknowledgements: Acknowledgements
) -> None:
    offer = offer_of([make_event(1)], "one")
    acknowledgements.offer(offer)
    done = command("notify", "ack", offer.id, "unheardof", "--redis-url", redis_url)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("nothing to acknowledge is known as unheardof")
    assert acknowledgements.acknowledged_at(offer) is None


# The page.


@pytest.fixture
def server(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayServer]:
    monkeypatch.setenv("RTP_NOTIFY_KEY", KEY)
    with serving(serve_settings(redis_url, token="a-token-that-opens-the-rest")) as running:
        yield running


def ask(server: GatewayServer, link: str, method: str = "GET") -> tuple[int, str, http.client.HTTPMessage]:
    place = urlsplit(server.url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        # As a browser sends the button's form.
        connection.request(method, link, headers={"Origin": server.url} if method == "POST" else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


def test_the_link_shows_a_button_and_the_button_acknowledges(
    server: GatewayServer, acknowledgements: Acknowledgements
) -> None:
    offer = offer_of([make_event(1)], "WARNING: <b>lido</b> fell 5%")
    acknowledgements.offer(offer)
    link = AcknowledgeLinks(KEY.encode()).link(offer.id, time.time())

    status, page, headers = ask(server, link)
    assert (status, '<form method="post">' in page) == (200, True)
    assert "WARNING: &lt;b&gt;lido&lt;/b&gt; fell 5%" in page
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert acknowledgements.acknowledged_at(offer) is None  # a chat service that looks acknowledges nothing

    status, page, _ = ask(server, link, "POST")
    assert (status, "Acknowledged at" in page, "<form" in page) == (200, True, False)
    assert acknowledgements.acknowledged_at(offer) is not None
    assert ask(server, link)[1] == page


def test_a_link_that_is_not_whole_or_over_acknowledges_nothing(
    server: GatewayServer, acknowledgements: Acknowledgements
) -> None:
    offer, other = offer_of([make_event(1)], "one"), offer_of([make_event(2)], "other")
    acknowledgements.offer(offer)
    acknowledgements.offer(other)
    links, now = AcknowledgeLinks(KEY.encode()), time.time()
    link = links.link(offer.id, now)
    wrong = [
        link.partition("?")[0],
        link[:-1],
        f"{link}é".replace("é", "%C3%A9"),
        link.replace(offer.id, other.id),
        link.replace("until=", "until=9"),
        AcknowledgeLinks(b"another key").link(offer.id, now),
        links.link(offer.id, now - HOLDS_SECONDS - 2),
    ]
    assert [ask(server, one, "POST")[0] for one in wrong] == [403] * len(wrong)
    assert acknowledgements.acknowledged_at(offer) is None
    assert acknowledgements.acknowledged_at(other) is None
    assert ask(server, links.link("unheardof", now), "POST")[0] == 404


def test_without_a_key_no_link_holds(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RTP_NOTIFY_KEY", raising=False)
    with serving(serve_settings(redis_url)) as server:
        status, page, _ = ask(server, AcknowledgeLinks(KEY.encode()).link("x", time.time()), "POST")
    assert (status, "RTP_NOTIFY_KEY is not set" in page) == (404, True)
