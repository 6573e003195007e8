"""What `rtp status` shows of a stream source: its tables, and what Redis remembers, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.handler.alert_store import PendingAlerts
    from core.handler.progress import ShardProgress
    from core.inspection.notifications import Notifications


@dataclass(frozen=True)
class ShardFigures:
    """A shard, or all that the Lambda has done of a table (`shard` is `lambda`, which tells no shards apart).

    `state` is `open`, `closed` or, of what DynamoDB has no longer or did not tell, `unknown`. `lag_seconds` is the
    newest record's age when it was done. Where `rtp run` reads the shard, `checkpoint` is how far it has come, and
    `waiting_since` the time of the first record behind that, None where there is none or nobody could look.
    """

    shard: str
    state: str
    checkpoint: str | None
    waiting_since: datetime | None
    lag_seconds: float | None
    progress: ShardProgress | None


@dataclass(frozen=True)
class TableFigures:
    """A DynamoDB table; `problem` is why it, or its stream, cannot be described or read."""

    table: str
    watches: Sequence[str]
    status: str | None
    view_type: str | None
    items: int | None
    shards: Sequence[ShardFigures]
    problem: str | None


@dataclass(frozen=True)
class FedWatch:
    """A watch that a table feeds, and how many entities have a baseline."""

    watch: str
    kind: str
    table: str
    shape: str
    baselines: int


@dataclass(frozen=True)
class Ticks:
    """What time alone brings about: when it was last looked at, and what is due since when."""

    last_at: datetime | None
    due: int
    oldest_due_at: datetime | None
    scheduled: int


@dataclass(frozen=True)
class LetterBox:
    """Where dead letters lie; `letters` is None where nobody could look, `problem` says why."""

    place: str
    letters: int | None
    problem: str | None


@dataclass(frozen=True)
class StreamInspection:
    """The whole picture, as of one moment by this machine's clock.

    `rebuilding` are the tables from which baselines are being made anew, as Redis has lost its memory.
    """

    at: datetime
    redis: str
    tables: Sequence[TableFigures]
    watches: Sequence[FedWatch]
    pending: Sequence[PendingAlerts]
    ticks: Ticks
    letters: Sequence[LetterBox]
    rebuilding: Sequence[str]
    notifications: Notifications | None = None
