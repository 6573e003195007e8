"""Who is told, for people: a row a destination."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cli.tables import BAD, DOUBTFUL, GOOD, age, count_of_bad, facts, new_table, span, toned, whole
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from core.inspection.notifications import DestinationFigures, Notifications


def notification_tables(seen: Notifications | None, at: datetime) -> Iterator[Table]:
    """Nothing where nobody is to be told."""
    if seen is None:
        return
    if seen.problem:
        yield facts([("notifications", whole(seen.problem, BAD))])
        return
    running = counted(seen.processes, "rtp notify", "rtp notify") if seen.processes else "no rtp notify runs"
    dead = f"; {counted(seen.dead_letters, 'dead letter')}" if seen.dead_letters else ""
    open_ = f"; {counted(seen.unacknowledged, 'alert')} to be acknowledged" if seen.unacknowledged else ""
    told_on = f"; {counted(seen.escalated, 'alert')} told on as nobody did" if seen.escalated else ""
    yield new_table(
        f"Notifications: {running}{dead}{open_}{told_on}",
        *("audience", "destination", "waiting", "oldest waits", "told", "messages", "folded", "failed", "dead"),
        *("last told", "circuit", "again", "why"),
        rows=[_row(one, at, is_configured=seen.is_configured) for one in seen.destinations],
    )


def _row(one: DestinationFigures, at: datetime, *, is_configured: bool) -> tuple[object, ...]:
    gone = toned("not in the settings", BAD if one.waiting else DOUBTFUL) if is_configured else None
    return (
        *(one.audience or gone, one.destination, toned(one.waiting, DOUBTFUL if one.waiting else "")),
        span(timedelta(seconds=one.oldest_seconds)) if one.waiting else None,
        *(one.told, one.messages, one.folded, one.failed, count_of_bad(one.dead), age(one.told_at, at)),
        toned(one.circuit, BAD if one.failures_in_a_row else GOOD),
        span(max(one.retry_at - at, timedelta(0))) if one.retry_at else None,
        whole(one.reason, BAD),
    )
