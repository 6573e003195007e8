"""What an `rtp notify` that begins finds in Redis, and people should know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.logs import warn
from core.errors import SinkUnavailable
from core.problem import counted

if TYPE_CHECKING:
    from core.notify.notifier import Notifier


def warn_of_what_is_there(notifier: Notifier) -> None:
    """Of alerts for whom the settings name no more, and of processes with other settings."""
    try:
        former = notifier.former_destinations()
        others = notifier.count_otherwise_set()
    except SinkUnavailable:  # told by those who need it
        return
    for name, waiting in former.items():
        warn(
            f"{counted(waiting, 'alert')} wait for {name}, which the settings do not name any more. Name it again to"
            " have them told"
        )
    if others:
        have = "has" if others == 1 else "have"
        warn(
            f"{counted(others, 'other rtp notify', 'other rtp notify')} of this Redis {have} other notify settings: an"
            " alert is told by the rules of whichever process takes it. Give all of them the same file"
        )
