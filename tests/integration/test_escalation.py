"""What nobody acknowledges in time is told to the next, whoever was killed meanwhile."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redis

from core.notify.acknowledgement.acknowledgements import Acknowledgements
from core.notify.acknowledgement.escalation import Escalator, expected_of
from core.notify.build import build_notifier
from core.notify.intakes.intake import Intake
from core.notify.outbox.outbox import Outbox
from core.notify.tellings import build_tellings
from core.redis_names import NOTIFY_EXPECTED
from core.settings.audiences import agreed
from core.settings.notify import Audience
from rtp_client.event import Event
from tests.eventually import eventually
from tests.gateway import serve_settings, serving
from tests.samples import make_event
from tests.webhook_server import webhook_server

if TYPE_CHECKING:
    from core.settings.models import Settings

KEY = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0
LIDO = make_event(1, "lido", severity="critical")
AAVE = make_event(2, "aave", severity="warning")
MAKER = make_event(3, "maker", severity="info")


def audiences(*written: dict[str, Any]) -> tuple[Audience, ...]:
    return tuple(agreed([Audience.model_validate({"to": f"json://{one['name']}", **one}) for one in written]))


def pass_the_time(client: redis.Redis) -> None:
    """Have everything that is still to be acknowledged be overdue."""
    waited_for: Any = client.zrange(NOTIFY_EXPECTED, 0, -1)
    client.zadd(NOTIFY_EXPECTED, dict.fromkeys(waited_for, 0), xx=True)


DESK = {"name": "desk", "unless_acknowledged": "10m"}
BOSS = {"name": "boss", "only_escalated": True, "unless_acknowledged": "1h"}
CEO = {"name": "ceo", "only_escalated": True, "match": {"severity": "critical"}}


class Waiting:
    """The outboxes and what is to be acknowledged, by a clock of the test's own."""

    def __init__(self, client: redis.Redis, *written: dict[str, Any]) -> None:
        self.audiences = audiences(*written)
        self.acknowledgements = Acknowledgements(client, "here")
        self.outbox = Outbox(client, "here")
        self.escalator = Escalator(self.audiences, self.acknowledgements, self.outbox)

    def told(self, destination: str) -> list[Event]:
        return [alert.event for alert in self.outbox.waiting(destination, most=100)]


@pytest.fixture
def waiting(client: redis.Redis) -> Waiting:
    return Waiting(client, DESK, BOSS, CEO)


def test_one_after_the_other_is_told_for_as_long_as_nobody_acknowledges(waiting: Waiting) -> None:
    waiting.acknowledgements.expect(
        one for event in (LIDO, AAVE) for one in expected_of(waiting.audiences[:1], event, NOW)
    )
    waiting.escalator.turn(NOW + 599)
    assert waiting.told("boss/1") == []
    waiting.escalator.turn(NOW + 600)
    waiting.escalator.turn(NOW + 601)
    assert waiting.told("boss/1") == [LIDO, AAVE]
    waiting.escalator.turn(NOW + 600 + 3600)
    assert waiting.told("ceo/1") == [LIDO]  # the other is not critical
    assert waiting.told("boss/1") == [LIDO, AAVE]


def test_what_is_acknowledged_is_told_to_nobody_else(waiting: Waiting) -> None:
    waiting.acknowledgements.expect(expected_of(waiting.audiences[:1], LIDO, NOW))
    offer = waiting.acknowledgements.find(LIDO.id)
    assert offer is not None
    waiting.escalator.turn(NOW + 600)
    waiting.acknowledgements.acknowledge(offer, NOW + 700)
    waiting.escalator.turn(NOW + 600 + 3600)
    assert (waiting.told("boss/1"), waiting.told("ceo/1")) == ([LIDO], [])


def test_whoever_is_killed_before_it_is_noted_that_others_were_told_tells_them_once(waiting: Waiting) -> None:
    expected = expected_of(waiting.audiences[:1], LIDO, NOW)
    waiting.acknowledgements.expect(expected)
    waiting.escalator.turn(NOW + 600)
    waiting.acknowledgements.expect(expected)  # as if it were not settled
    waiting.escalator.turn(NOW + 601)
    assert waiting.told("boss/1") == [LIDO]


@pytest.mark.parametrize(
    ("keys", "event", "seconds"),
    [
        ({}, AAVE, 600),
        ({"digest": "30s"}, AAVE, 630),
        ({"digest": "30s"}, LIDO, 600),
        ({"quiet": "08:00-09:00 UTC unless critical"}, AAVE, 3600 + 600),
        ({"quiet": "08:00-09:00 UTC unless critical"}, LIDO, 600),
    ],
    ids=str,
)
def test_the_time_runs_from_when_the_rules_let_it_go(keys: dict[str, Any], event: Event, seconds: float) -> None:
    (desk, *_) = audiences(DESK | keys, BOSS, CEO)  # NOW is eight in the morning
    (expected,) = expected_of([desk], event, NOW)
    assert expected.until == pytest.approx(NOW + seconds, abs=0.01)


def test_the_next_are_told_of_what_nobody_acknowledged_by_the_link_of_their_message(
    settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTP_NOTIFY_KEY", KEY)
    with webhook_server() as server, serving(serve_settings(settings.redis.url or "")) as gateway:
        at = f"json://127.0.0.1:{server.port}"
        desk = {**DESK, "to": f"{at}/desk"}
        boss = {"name": "boss", "to": f"{at}/boss", "only_escalated": True, "match": {"severity": "warning"}}
        people = settings.model_copy(
            update={
                "notify": audiences(desk, boss),
                "serve": settings.serve.model_copy(update={"public_url": gateway.url}),
            }
        )
        # Somebody took them in, and was killed.
        acknowledgements = Acknowledgements(client, "here")
        intake = Intake(people.notify, Outbox(client, "here"), acknowledgements, on_problem=lambda _: None)
        assert intake.take([one.json_bytes for one in (LIDO, AAVE, MAKER)])

        def said(path: str) -> dict[str, str]:
            found = [json.loads(one.body) for one in server.taken if one.path == path]
            return {one["title"].split()[1]: one["message"] for one in found}

        notifier = build_notifier(
            people,
            build_tellings(people, {"RTP_NOTIFY_KEY": KEY}, lambda _: None),
            source="stream",
            on_outcome=lambda _: None,
            on_problem=lambda _: None,
        )
        notifier.start()
        try:
            eventually(lambda: len(said("/desk")) == 3)
            (link,) = re.findall(rf"{gateway.url}(/acknowledge/\S+)", said("/desk")["lido"])
            place = urlsplit(gateway.url)
            with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
                connection.request("POST", link)
                assert connection.getresponse().status == 200
            pass_the_time(client)
            eventually(lambda: said("/boss"))
        finally:
            notifier.stop()
        assert "Otherwise boss is told" in said("/desk")["aave"]
        assert list(said("/boss")) == ["aave"]
        assert "desk has not acknowledged this" in said("/boss")["aave"]
