"""Which messages alerts would become, found out without telling them."""

from __future__ import annotations

from typing import Any

from core.notify.alert import Alert
from core.notify.choice.budget import budget_of
from core.notify.choice.choose import Rules
from core.notify.trial.rehearsal import rehearse
from core.settings.rhythm import read_limit
from tests.samples import make_event

NOON = 1_700_000_000.0


def alerts(count: int, *, every_ms: float = 0.5, **columns: Any) -> list[Alert]:
    """So many alerts of as many entities, one after the other."""
    return [
        Alert(make_event(number, f"token-{number}", **columns), f"{int(NOON * 1000 + number * every_ms)}-{number}")
        for number in range(count)
    ]


def test_without_a_limit_each_alert_is_a_message_when_it_comes() -> None:
    told = list(rehearse(alerts(3, every_ms=1000), Rules()))
    assert [(one.at - NOON, len(one.alerts)) for one in told] == [(0, 1), (1, 1), (2, 1)]


def test_what_comes_within_a_digest_is_one_message_at_its_end() -> None:
    told = list(rehearse(alerts(3, every_ms=1000), Rules(digest_seconds=30)))
    assert [(one.at - NOON, len(one.alerts)) for one in told] == [(30, 3)]


def test_a_crash_becomes_no_more_messages_than_the_limit_allows() -> None:
    limit = read_limit("20/min")
    assert limit != "off"
    told = list(rehearse(alerts(2_000, severity="critical"), Rules(budget=budget_of(limit))))
    assert told[0].at == NOON
    assert len([one for one in told if one.at < NOON + 60]) <= 20
    assert sum(len(one.alerts) for one in told) == 2_000
