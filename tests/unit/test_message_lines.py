"""What `rtp notify --json` says of each message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.notify.message_lines import MessageLines
from core.kinds import SHIPPED
from core.notify.alert import Alert
from core.notify.answer import Accepted, Declined, Later
from core.notify.counts import DestinationCounts
from core.notify.outcome import MessageOutcome
from tests.samples import NOON, make_event

if TYPE_CHECKING:
    from core.notify.answer import Answer

ALERTS = [Alert(make_event(number), f"{number}-0") for number in (1, 2)]
WHEN = NOON.timestamp() + 1.5


@pytest.mark.parametrize(
    ("answer", "given_up", "told"),
    [
        (Accepted(), 0, {"came": "told"}),
        (Declined("HTTP 400"), 2, {"came": "refused", "reason": "HTTP 400", "given_up": 2}),
        (Later("HTTP 503"), 0, {"came": "later", "reason": "HTTP 503", "given_up": 0}),
        (Later("HTTP 503"), 1, {"came": "given up", "reason": "HTTP 503", "given_up": 1}),
    ],
)
def test_a_document_says_what_came_of_a_message_and_why(
    answer: Answer, given_up: int, told: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = MessageLines(SHIPPED, as_json=True)
    lines.show(MessageOutcome("desk/1", ALERTS, answer, WHEN, DestinationCounts(), ALERTS[:given_up]))
    assert json.loads(capsys.readouterr().out) == {
        "time": "2024-03-19T12:00:01.500000Z",
        "destination": "desk/1",
        "alerts": 2,
        "event_ids": [alert.event.id for alert in ALERTS],
        "longest_ms": 1500.0,
        **told,
    }
