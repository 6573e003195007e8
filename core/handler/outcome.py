"""What became of a batch or a tick."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.handler.alert_store import PendingAlerts
    from core.handler.alerts import AlertsReport
    from core.handler.change import Change
    from core.letters.stream_letters import StreamLetter
    from rtp_client.event import Event

Cause = tuple[str, str]
"""A watch, and why changes of its entities were set aside: a key of `_MEANING`."""
_MEANING = {
    "future": "the time is further ahead than `max_future`",
    "rejected": "the value is one that `reject` refuses",
    "late": "the time is older than what is known",
    "out_of_order": "a later record of the stream was judged before: have the stream read at a parallelization factor"
    " of 1, or raise dynamodb.tables.{watch}.reorder",
}


@dataclass
class BatchOutcome:
    """What became of a batch.

    `failed` is the sequence number of the first record that must come again, with all that follow it, and `causes` say
    why; None where all are done. `troubles` say why alerts and dead letters of records that are done still wait;
    `pending` is what waits in all, by queue, which a tick looks at. `notes` counts the changes that were no event, by
    reason; `set_aside` those that moved nothing, by watch and cause, and `last_set_aside` is the last of them.
    `letters_wait` says that dead letters wait for a queue that fails, and `samples_wait` of how many entities samples
    may wait for earlier ones; a tick looks at that, too.
    `unread` says which tables could not be read, and why.
    `lost` says that Redis has lost `all` of its memory, or how many baselines were `older` than the stream.
    """

    failed: str | None = None
    causes: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    pending: Sequence[PendingAlerts] = ()
    letters_wait: bool = False
    samples_wait: int = 0
    events: list[Event] = field(default_factory=list)
    dead_letters: list[StreamLetter] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[Cause] = field(default_factory=Counter)
    last_set_aside: dict[Cause, Change] = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)

    def put_aside(self, change: Change, why: str) -> None:
        """Count a change that moved nothing."""
        self.set_aside[change.watch, why] += 1
        self.last_set_aside[change.watch, why] = change

    def add_alerts(self, report: AlertsReport) -> None:
        """Note what became of alerts."""
        self.notes["alerts refused"] += report.dead
        self.notes["alerts that wait"] += report.left.total()
        self.troubles.extend(report.causes)

    def about_set_aside(self, cause: Cause) -> str:
        """One line about those of a watch that were set aside for one cause."""
        last, (watch, why) = self.last_set_aside[cause], cause
        own_time = last.sample.testimony.changed_at or last.sample.at
        rows = counted(self.set_aside[cause], "item was set aside", "items were set aside")
        example = f"{'/'.join(last.key)} of {own_time.isoformat()}"
        return f"watch {watch}: {rows}, as {_MEANING[why].format(watch=watch)}; the last is {example}"
