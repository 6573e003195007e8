"""What came of a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.notify.counts import DestinationCounts


@dataclass(frozen=True)
class MessageOutcome:
    """`alerts` are those that it told of; `dead` are given up: some of these, and others that are too old by then."""

    destination: str
    alerts: Sequence[Alert]
    answer: Answer
    at: float
    counts: DestinationCounts
    dead: Sequence[Alert] = ()
    retry_at: float = 0.0
