"""The event of an entity that is called otherwise now: its value is the one that was reported last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.detection.report import Report
from core.detection.testimony import UNSAID, Testimony
from rtp_client.event import Reason, Severity

if TYPE_CHECKING:
    from decimal import Decimal

    from core.detection.detector import Key


def renamed(value: Decimal | None, first: Key, testimony: Testimony = UNSAID, *, is_taken: bool) -> Report:
    """The report; `first` is what it was called before, and `is_taken` says that another has that name by now."""
    details = {"previous_chain": first[0], "previous_entity": first[1]} | ({"previous_taken": True} if is_taken else {})
    return Report(value, value, Reason.RENAMED, Severity.INFO, testimony=testimony, details=details)
