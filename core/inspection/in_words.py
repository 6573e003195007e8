"""What was found out about an entity, in sentences: what became of its newest value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtp_client.event import Reason, format_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from core.inspection.conclusion import Conclusion, Outcome

_WORDS: Mapping[Outcome, str] = {
    "waiting": "what was written last waits to be judged by rtp run",
    "unknown": "none of its rows has been judged so far",
    "renamed": "called {called} since {at}",
    "unagreed": "its sources have not agreed so far: too few have said something at once",
    "going": "its row is gone: reported as deleted at {at}, unless it comes back",
    "gone": "gone: reported as deleted {at}",
    "unjudged": "rtp has not judged this so far: {next}",
    "set_aside": "set aside {at}, as its own time is further ahead than max_future",
    "refused": "set aside {at}, as `reject` refuses such a value",
    "due": "time has brought about what rtp run has yet to judge, since {at}",
    "quarantined": "held back by the glitch guard until {at}, unless another sample decides before",
    "held": "held back by the cooldown until {at}: {reason}",
    "reported": "reported {at}: {reason}",
    "unchanged": "the same since {at}; the log holds no event of it",
    "not_reported": "no event: the change is too small",
}
_STREAM_WORDS: Mapping[Outcome, str] = {
    "waiting": "its newest samples wait for earlier ones, as `reorder` says",
    "unknown": "none of its records has been judged so far",
    "going": "its item is gone: reported as deleted at {at}, unless it comes back",
    "unjudged": "no record of this was judged so far: {next}",
    "due": "time has brought about what a tick has yet to judge, since {at}",
    "unchanged": "the same since {at}; of the newest events, none is of it",
}
"""Of a stream source, where the words differ."""
_HOLDERS = {"quarantined": "glitch guard", "held": "cooldown"}


def moment(value: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{format_time(value)[:19].replace('T', ' ')}Z"


def conclusion_in_words(found: Conclusion, source: str = "postgres") -> str:
    """What became of the newest value."""
    if found.outcome == "refused" and found.at is None:
        return "no event: `reject` refuses such a value"
    words = dict(_WORDS) | (dict(_STREAM_WORDS) if source == "dynamodb" else {})
    at = moment(found.at) if found.at is not None else "its rule says otherwise"
    following = _at_the_next_write(found) if source == "postgres" else _with_its_record(found)
    return words[found.outcome].format(at=at, reason=found.reason, next=following, called=found.called)


def _at_the_next_write(found: Conclusion) -> str:
    if found.reason == Reason.DELETED:
        return "the row went past the triggers"
    if found.note in _HOLDERS:
        return f"held back by the {_HOLDERS[found.note]} at its next write"
    return f"reported at its next write: {found.reason}" if found.reason else "no event at its next write"


def _with_its_record(found: Conclusion) -> str:
    if found.note in _HOLDERS:
        return f"held back by the {_HOLDERS[found.note]} with its record"
    return f"reported with its record: {found.reason}" if found.reason else "no event with its record"
