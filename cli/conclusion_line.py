"""A conclusion of `rtp explain`, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.tables import moment
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.inspection.conclusion import Conclusion, Outcome

_WORDS: Mapping[Outcome, str] = {
    "waiting": "what was written last waits to be judged by rtp run",
    "unknown": "none of its rows has been judged so far",
    "going": "its row is gone: reported as deleted at {at}, unless it comes back",
    "gone": "gone: reported as deleted {at}",
    "unjudged": "rtp has not judged this so far: {next}",
    "set_aside": "set aside {at}, as its own time is further ahead than max_future",
    "due": "time has brought about what rtp run has yet to judge, since {at}",
    "quarantined": "held back by the glitch guard until {at}, unless another sample decides before",
    "held": "held back by the cooldown until {at}: {reason}",
    "reported": "reported {at}: {reason}",
    "unchanged": "the same since {at}; the log holds no event of it",
    "not_reported": "no event: the change is too small",
}
_HOLDERS = {"quarantined": "glitch guard", "held": "cooldown"}


def conclusion_line(found: Conclusion) -> str:
    """What became of the newest value."""
    at = moment(found.at) if found.at is not None else "its rule says otherwise"
    return _WORDS[found.outcome].format(at=at, reason=found.reason, next=_at_the_next_write(found))


def _at_the_next_write(found: Conclusion) -> str:
    if found.reason == Reason.DELETED:
        return "the row went past the triggers"
    if found.note in _HOLDERS:
        return f"held back by the {_HOLDERS[found.note]} at its next write"
    return f"reported at its next write: {found.reason}" if found.reason else "no event at its next write"
