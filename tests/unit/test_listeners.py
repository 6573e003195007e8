"""Who is told of an event."""

from __future__ import annotations

from typing import Any

import pytest

from core.notify.choice.listeners import hears, listeners
from core.settings.notify import Audience
from rtp_client.event import EventData
from tests.samples import make_event


def audience(name: str = "desk", **keys: Any) -> Audience:
    return Audience.model_validate({"name": name, "to": "json://localhost", **keys})


def data(**columns: Any) -> EventData:
    return make_event(1, **columns).data


@pytest.mark.parametrize(
    ("match", "is_told"),
    [({}, True), ({"severity": "info"}, True), ({"severity": "warning"}, False), ({"protocol": "aave*"}, False)],
)
def test_an_audience_is_told_of_what_it_matches(match: dict[str, str], is_told: bool) -> None:
    assert hears(audience(match=match), data(severity="info", entity="lido")) is is_told


@pytest.mark.parametrize(("match", "is_told"), [({}, False), ({"reason": "heartbeat"}, True)])
def test_a_heartbeat_is_told_to_those_who_name_it(match: dict[str, str], is_told: bool) -> None:
    assert hears(audience(match=match), data(reason="heartbeat")) is is_told


def test_who_is_only_told_by_escalation_does_not_listen() -> None:
    told = listeners([audience(), audience("boss", only_escalated=True)], data())
    assert [one.name for one in told] == ["desk"]
