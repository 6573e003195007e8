"""Telling what is due, and no longer: for a process that is there for seconds, as a Lambda's is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.notify.notifier import Notifier

LEASE_SECONDS = 2.0
"""Whoever is there for seconds must not keep a destination for many after it was killed."""
_TICK_SECONDS = 0.02
_ROUNDS = 2


def tell_what_is_due(notifier: Notifier, *, seconds: float, ahead_seconds: float) -> bool:
    """Tell what waits, until nothing more can go within `ahead_seconds`; false where the time was over before.

    `notifier` has been started. Raises SinkUnavailable.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _is_done(notifier, ahead_seconds):
            return True
        time.sleep(_TICK_SECONDS)
    return False


def _is_done(notifier: Notifier, ahead_seconds: float) -> bool:
    if notifier.is_telling(ahead_seconds):
        return False
    unread = notifier.unread()
    if any(notifier.tellers[name].is_at_work for name in unread):  # they are about to be read
        return False
    # Others are telling the rest, if they are still at it after we have asked for it twice: one that was about to end
    # when ours came in has let go by then.
    return not unread or notifier.rounds >= _ROUNDS
