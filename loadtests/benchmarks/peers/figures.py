"""What is told of each peer, as a table for people and as JSON for scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtests.benchmarks.peers.phase import Brought


@dataclass
class Figures:
    """One row. None: not measured; `absent` says why, for the whole row."""

    name: str
    absent: str | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    cpu_seconds: float | None = None
    """Of the peer's processes, per 1,000 events, at the fixed rate."""
    server_cpu_seconds: float | None = None
    """Of PostgreSQL and Redis, per 1,000 events, at the fixed rate; the writes themselves are in it."""
    at_rate: Brought | None = None
    events_per_second: float | None = None
    """From the first update to the last receipt, while the writer goes flat out."""
    saturated_cpu_seconds: float | None = None
    writer_share: float | None = None
    """The writer's rate as a share of that on the bare table."""
    writes_per_second: float | None = None
    bytes_left: float | None = None
    """Per event, once all are consumed."""
    bytes_after_vacuum: float | None = None
    killed: Brought | None = None


def table_of(rows: Sequence[Figures], rate: float) -> Table:
    """The comparison, a peer per row."""
    table = Table(title=f"detection at {rate:,.0f} updates/s; saturation with the writer flat out")
    table.add_column("")
    for head in (
        "p50\nms",
        "p99\nms",
        "events/s at\nsaturation",
        "writer's rate,\nbare 1.00",
        f"CPU s/1,000\nat {rate:,.0f}/s",
        "CPU s/1,000\nsaturated",
        "servers' CPU\ns/1,000",
        "kill -9 of\nthe consumer",
        "bytes left per\nevent (vacuumed)",
    ):
        table.add_column(head, justify="right")
    for row in rows:
        if row.absent:
            table.add_row(f"{row.name}: {row.absent}")
            continue
        table.add_row(
            row.name,
            _number(row.p50_ms, 2),
            _number(row.p99_ms, 2),
            _number(row.events_per_second, 0),
            _number(row.writer_share, 2),
            _number(row.cpu_seconds, 3),
            _number(row.saturated_cpu_seconds, 3),
            _number(row.server_cpu_seconds, 3),
            _survival(row.killed),
            _space(row),
        )
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _space(row: Figures) -> str:
    if row.bytes_left is None:
        return "-"
    return f"{_number(row.bytes_left, 0)} ({_number(row.bytes_after_vacuum, 0)})"


def _survival(killed: Brought | None) -> str:
    if killed is None:
        return "-"
    if killed.lost:
        return f"{killed.lost:,} of {killed.written:,} lost"
    return "nothing lost" + (f", {killed.repeated:,} twice" if killed.repeated else "")
