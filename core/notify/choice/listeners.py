"""Which audiences listen to an event. Pure.

A heartbeat says that all is well: an audience is told of it where its match names that reason, as a queue is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.routes.matching import mismatch
from rtp_client.event import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.settings.notify import Audience
    from rtp_client.event import EventData


def listeners(audiences: Iterable[Audience], event: EventData) -> list[Audience]:
    """Those that are told of it at once: the audiences that it fits, but for those that only an escalation tells."""
    return [audience for audience in audiences if not audience.only_escalated and hears(audience, event)]


def hears(audience: Audience, event: EventData) -> bool:
    """Whether an event fits an audience, whoever tells it."""
    if event.reason is Reason.HEARTBEAT and Reason.HEARTBEAT not in (audience.match.reason or ()):
        return False
    return mismatch(audience.match, event) is None
