"""What a service's answers mean for a message: told, told again later, or never (docs/how-to/notify.md)."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from core.notify.answer import Accepted, Declined, Later
from core.sinks.webhook.answers import MOST_RETRY_AFTER_SECONDS, reason_of, retry_after_seconds
from core.sinks.webhook.connection import WebAnswer

if TYPE_CHECKING:
    from core.notify.answer import Answer
    from core.notify.service.attempt import Attempt

_TOO_MANY_REQUESTS = 429
_BUSY = frozenset({408, 425, _TOO_MANY_REQUESTS})
_AWAY = frozenset({502, 503, 504})
# These are about the address, or whom it belongs to, which somebody may mend; not about the message.
_MISDIRECTED = frozenset({401, 403, 404, 407, 410})
_MOST_SHOWN = 200
_EXCEPTION = "Exception: "


def meaning_of(attempt: Attempt, *, is_sent: bool, hidden: re.Pattern[str]) -> Answer:
    """What became of a message; `hidden` is what no reason may show."""
    if is_sent:
        return Accepted()
    if attempt.wait_seconds:
        return Later("asked us to slow down", after_seconds=min(attempt.wait_seconds, MOST_RETRY_AFTER_SECONDS))
    if attempt.last is None:
        return Later(_remark(attempt, hidden), is_away=True)
    if not isinstance(attempt.last, WebAnswer):
        return Later(attempt.last.reason, is_away=True)
    return _meaning_of_status(attempt.last, hidden)


def _meaning_of_status(answer: WebAnswer, hidden: re.Pattern[str]) -> Answer:
    reason, status = reason_of(answer, hidden), answer.status
    if 200 <= status < 300:
        return Later(f"{reason}, which is not what this service says when it has a message")
    if 400 <= status < 500 and status not in _BUSY | _MISDIRECTED:
        return Declined(reason)
    return Later(reason, after_seconds=_wish(answer), is_away=status in _AWAY)


def _wish(answer: WebAnswer) -> float | None:
    """How long the service asks to be left alone: in a header, or in its JSON as Telegram and Discord say it."""
    return retry_after_seconds(answer, time.time()) or _in_json(answer) or None


def _in_json(answer: WebAnswer) -> float:
    if answer.status != _TOO_MANY_REQUESTS:
        return 0.0
    try:
        said = json.loads(answer.body)
        asked = float({**said, **said.get("parameters", {})}["retry_after"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 0.0
    return min(asked, MOST_RETRY_AFTER_SECONDS) if asked > 0 else 0.0


def _remark(attempt: Attempt, hidden: re.Pattern[str]) -> str:
    """Of a service that is no HTTP server, what Apprise says is all there is: the exception, or its last words."""
    failures = [said.partition(_EXCEPTION)[2] for said in attempt.remarks if _EXCEPTION in said]
    said = [*attempt.remarks, *failures][-1] if attempt.remarks else "Apprise could not send it"
    words = " ".join("".join(c if c.isprintable() else " " for c in hidden.sub("***", said)).split())
    return f"{words[:_MOST_SHOWN]}…" if len(words) > _MOST_SHOWN else words
