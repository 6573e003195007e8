"""`rtp status` of a stream source, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from cli.notification_tables import notification_tables
from cli.output import out
from cli.tables import BAD, DOUBTFUL, GOOD, age, count_of_bad, facts, new_table, toned, whole
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Any

    from rich.table import Table

    from core.inspection.stream_picture import ShardFigures, StreamInspection

_ROOM_FOR_SHARDS = 160
_SHARD_CELLS = 9


def stream_tables(seen: StreamInspection) -> Group:
    """All of it."""
    notifications = notification_tables(seen.notifications, seen.at)
    parts = [*_shards(seen), *_failures(seen), *notifications, *_letters(seen)]
    return Group(_summary(seen), _watches(seen), _tables(seen), *parts)


def _summary(seen: StreamInspection) -> Table:
    ticks = seen.ticks
    last = age(ticks.last_at, seen.at) or "none in the last week"
    due = f"{ticks.due:,} due, the oldest since {age(ticks.oldest_due_at, seen.at)}" if ticks.due else "none due"
    pending = (
        f"{counted(one.alerts, 'waits', 'wait')} for {one.queue}, the oldest since {age(one.oldest_at, seen.at)}"
        for one in seen.pending
    )
    rebuilt = f"; baselines are being rebuilt from {', '.join(seen.rebuilding)}" if seen.rebuilding else ""
    return facts(
        [
            ("Redis", whole(f"{seen.redis}{rebuilt}")),
            ("last tick", f"{last}; {due}, {ticks.scheduled:,} scheduled"),
            ("alerts", whole("; ".join(pending) or "none wait")),
        ]
    )


def _watches(seen: StreamInspection) -> Table:
    rows = [(one.watch, one.kind, one.table, one.shape, one.baselines) for one in seen.watches]
    return new_table("Watches", "watch", "kind", "table", "shape", "baselines", rows=rows)


def _tables(seen: StreamInspection) -> Table:
    return new_table(
        "Tables",
        *("table", "watches", "status", "view type", "items", "shards", "problem"),
        rows=[
            (
                *(one.table, ", ".join(one.watches), toned(one.status, GOOD if one.status == "ACTIVE" else DOUBTFUL)),
                *(one.view_type, one.items, sum(shard.state == "open" for shard in one.shards)),
                whole(one.problem, BAD),
            )
            for one in seen.tables
        ],
    )


def _shards(seen: StreamInspection) -> Iterator[Table]:
    rows = [(one.table, *_figures(shard, seen.at)) for one in seen.tables for shard in one.shards if _is_told(shard)]
    if rows:
        yield new_table(
            "Done",
            *("table", "shard", "state", "records", "events", "dead", "future", "late", "rejected", "out of order"),
            *("passed over", "failed", "last", "lag s", "unread since"),
            rows=rows,
        )


def _shard_name(shard: ShardFigures) -> Text:
    """`shardId-00000001414576573621-f55eea83`, or the end of it, which tells it from others, where there is no room."""
    name = shard.shard
    is_short = out.width < _ROOM_FOR_SHARDS and len(name) > _SHARD_CELLS
    return Text(f"…{name[1 - _SHARD_CELLS :]}" if is_short else name, no_wrap=True)


def _is_told(shard: ShardFigures) -> bool:
    """A closed shard that nobody has read, or that is finished, is no news."""
    return shard.state == "open" or shard.progress is not None or shard.waiting_since is not None


def _figures(shard: ShardFigures, now: datetime) -> tuple[Any, ...]:
    done = shard.progress
    unread = age(shard.waiting_since, now)
    if done is None:
        return (_shard_name(shard), shard.state, *[None] * 11, unread)
    aside = (done.future, done.late, done.rejected, done.out_of_order, done.elsewhere + done.expired)
    counts = (done.records, done.events, count_of_bad(done.dead_letters), *aside, count_of_bad(done.failed))
    lag = None if shard.lag_seconds is None else f"{shard.lag_seconds:.0f}"
    return (_shard_name(shard), shard.state, *counts, age(done.handled_at, now), lag, unread)


def _failures(seen: StreamInspection) -> Iterator[Table]:
    rows = [
        (one.table, _shard_name(shard), age(shard.progress.failed_at, seen.at), whole(shard.progress.cause, BAD))
        for one in seen.tables
        for shard in one.shards
        if shard.progress is not None and shard.progress.failed_at is not None
    ]
    if rows:
        yield new_table("Batches that came again", "table", "shard", "the last", "cause", rows=rows)


def _letters(seen: StreamInspection) -> Iterator[Table]:
    rows = [
        (one.place, count_of_bad(one.letters), whole(one.problem, BAD))
        for one in seen.letters
        if one.letters or one.problem
    ]
    if rows:
        yield new_table("Dead letters", "place", "letters", "problem", rows=rows)
