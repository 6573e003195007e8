"""What `rtp status` shows: rtp as its database knows it, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from core.inspection.notifications import Notifications


@dataclass(frozen=True)
class Installation:
    """Which log this is, since when, and which rtp has installed something last."""

    log_id: str
    schema_version: int
    installed_at: datetime
    installed_by: str | None = None


@dataclass(frozen=True)
class Processor:
    """Whether `rtp run` is active, and polls (awake) or waits for a notification. `sessions` are all of rtp's."""

    is_running: bool
    is_awake: bool
    sessions: Sequence[str]


@dataclass(frozen=True)
class RunningProcess:
    """An `rtp run` as it describes itself; `figures` is what `rtp run --json` prints, as of `seen_at`.

    `is_alive` is false where the process has been silent since: killed, paused, or without a connection.
    """

    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    is_alive: bool
    version: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Leader:
    """The leader, or the last one where `is_leading` is false; `standbys` as <pid>@<host>. Epoch 0: none yet.

    `is_kept_away`: nobody leads, and a command of rtp, of that host and pid, keeps the lead meanwhile.
    """

    epoch: int
    host: str | None
    pid: int | None
    since: datetime | None
    renewed_at: datetime | None
    is_leading: bool
    is_kept_away: bool
    standbys: Sequence[str]


@dataclass(frozen=True)
class WatchFigures:
    """A watch, its entities' baselines, and, where it is sampled, what waits for `rtp run` to judge it.

    `waiting` is how many samples, with `has_more_waiting` at least; then come the time that the oldest one has waited,
    and their bytes in the log. `is_behind` is a watch that is judged apart from the others, until it has caught up.
    `is_armed`: each write to its table reaches its triggers; where it is false, why, and what to do.
    """

    watch: str
    kind: str
    table: str
    shape: str
    is_sampled: bool
    rules: int
    entities: int
    held: int
    off_peg: int
    waiting: int = 0
    has_more_waiting: bool = False
    waiting_seconds: float = 0.0
    waiting_bytes: int = 0
    is_behind: bool = False
    is_alarming: bool = False
    is_armed: bool = True
    unarmed_cause: str = ""
    unarmed_remedy: str = ""


@dataclass(frozen=True)
class LogSize:
    """How much the log holds."""

    events: int
    is_estimate: bool
    bytes: int
    oldest_at: datetime | None
    newest_at: datetime | None


@dataclass(frozen=True)
class SinkPosition:
    """How far behind a sink is: in events, their bytes in the log, and the age of the oldest one it has not got.

    `is_configured` is None where neither a running rtp nor a settings file tells. `mismatch` says why the cursor cannot
    be this log's. Where there is a mismatch, the other figures mean nothing, and `rtp run` refuses to start.
    """

    sink: str
    lag_events: int
    lag_bytes: int
    lag_seconds: float
    moved_at: datetime
    dead_letters: int
    newest_dead_letter_at: datetime | None
    newest_dead_letter: str | None
    is_configured: bool | None = None
    is_alarming: bool = False
    mismatch: str | None = None


@dataclass(frozen=True)
class Quarantined:
    """A value that the glitch guard holds back; `among` is how many there are in all."""

    watch: str
    chain: str
    entity: str
    baseline: Decimal | None
    value: Decimal | None
    since: datetime
    confirmations: int
    among: int


@dataclass(frozen=True)
class GuardOutcome:
    """What the glitch guard did with a value: quarantined, confirmed, dismissed or released."""

    watch: str
    chain: str
    entity: str
    what: str
    baseline: Decimal | None
    value: Decimal | None
    noted_at: datetime


@dataclass(frozen=True)
class SetAside:
    """A watch's rows that moved nothing, for one cause: of a time too far ahead (`future`), or `late`.

    Beside their number stands the last of them.
    """

    watch: str
    why: str
    rows: int
    chain: str
    entity: str
    value: Decimal | None
    at: datetime | None
    noted_at: datetime


@dataclass(frozen=True)
class TriggerErrors:
    """What a watch's triggers could not judge; the message is the newest one."""

    watch: str
    errors: int
    operation: str
    sqlstate: str
    message: str
    occurred_at: datetime


@dataclass(frozen=True)
class TriggerCost:
    """What a watch's triggers cost their writers, estimated from the statements that were measured."""

    watch: str
    statements: int
    rows: int | None
    events: int
    total_us: int
    mean_us: float
    max_us: int
    since: datetime


@dataclass(frozen=True)
class FunctionCost:
    """What the server itself counted of a trigger function (track_functions)."""

    function: str
    calls: int
    total_ms: float
    mean_ms: float


@dataclass(frozen=True)
class Inspection:
    """The whole picture, as of one moment (`at`, by the database's clock)."""

    at: datetime
    installation: Installation
    processor: Processor
    processes: Sequence[RunningProcess]
    leader: Leader
    watches: Sequence[WatchFigures]
    log: LogSize
    sinks: Sequence[SinkPosition]
    quarantined: Sequence[Quarantined]
    outcomes: Sequence[GuardOutcome]
    set_aside: Sequence[SetAside]
    trigger_errors: Sequence[TriggerErrors]
    trigger_costs: Sequence[TriggerCost]
    function_costs: Sequence[FunctionCost]
    notifications: Notifications | None = None
