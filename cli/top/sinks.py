"""What a board shows of rtp itself: its sinks, how far behind each is, and what is in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cli.top.market import EntityKey

_RECENT = timedelta(hours=1)


@dataclass(frozen=True)
class SinkRow:
    """A sink: how far it is behind its log, and, where a running rtp tells, how fast it goes."""

    sink: str
    state: str
    lag_events: int
    lag_seconds: float
    dead_letters: int
    is_alarming: bool = False
    events_per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    delivered: int | None = None


@dataclass(frozen=True)
class RtpState:
    """rtp as of one look: its sinks, a line for each thing that is in the way, and what is off its peg since when."""

    sinks: tuple[SinkRow, ...] = ()
    troubles: tuple[str, ...] = ()
    off_peg: Mapping[EntityKey, datetime] = field(default_factory=dict)


def state_in(document: Mapping[str, Any]) -> RtpState:
    """The state in what `rtp status --json` tells; of a stream source, which has no sinks with cursors, its tables."""
    if "tables" in document:
        return RtpState(tuple(_tables(document)), tuple(_stream_troubles(document)))
    running = [one for one in document.get("processes", ()) if one["is_alive"]]
    own = {sink["sink"]: sink for one in running for sink in one["figures"].get("sinks", ()) if _delivers(one)}
    sinks = tuple(_sink(sink, own.get(sink["sink"])) for sink in document.get("sinks", ()))
    return RtpState(sinks, tuple(_troubles(document, running)))


def _delivers(process: Mapping[str, Any]) -> bool:
    return bool(process["figures"].get("role") == "leader")


def _sink(position: Mapping[str, Any], figures: Mapping[str, Any] | None) -> SinkRow:
    told = figures or {}
    return SinkRow(
        sink=position["sink"],
        state=told.get("state", "no rtp run"),
        lag_events=position["lag_events"],
        lag_seconds=position["lag_seconds"],
        dead_letters=position["dead_letters"],
        is_alarming=bool(position.get("is_alarming") or position.get("mismatch")),
        **{name: told.get(name) for name in ("events_per_second", "p50_ms", "p99_ms", "delivered")},
    )


def _troubles(document: Mapping[str, Any], running: list[Mapping[str, Any]]) -> Iterator[str]:
    for watch in document.get("watches", ()):
        if not watch.get("is_armed", True):
            yield f"watch {watch['watch']} is not armed: {watch['unarmed_cause']}"
    for sink in document.get("sinks", ()):
        if sink.get("mismatch"):
            yield f"sink {sink['sink']}: {sink['mismatch']}"
    for error in document.get("trigger_errors", ()):
        # They stay in the database for ever; what is long past is not in the way now.
        if datetime.fromisoformat(document["at"]) - datetime.fromisoformat(error["occurred_at"]) < _RECENT:
            yield f"watch {error['watch']}: {error['message']}"
    for process in running:
        figures = process["figures"]
        if lead := figures.get("lead_trouble"):
            yield f"{figures['role']}: {lead}"
        for circuit in figures.get("circuits", ()):
            if circuit["last_error"]:
                yield f"circuit {circuit['state']}: {circuit['last_error']}"
        for trouble in figures.get("troubles", ()):
            yield f"{trouble['part']}: {trouble['cause']}"
    if not running and document.get("sinks"):
        yield "no rtp run is active: nothing is delivered"


def _tables(document: Mapping[str, Any]) -> Iterator[SinkRow]:
    """A stream source's tables in the place of sinks: how old the newest record was when it was done."""
    for table in document["tables"]:
        shards = table["shards"]
        lags = [shard["lag_seconds"] for shard in shards if shard["lag_seconds"] is not None]
        done = [shard["progress"] for shard in shards if shard["progress"] is not None]
        yield SinkRow(
            sink=table["table"],
            state="problem" if table["problem"] else (table["status"] or "unknown").lower(),
            lag_events=0,
            lag_seconds=max(lags, default=0.0),
            dead_letters=sum(one["dead_letters"] for one in done),
            is_alarming=bool(table["problem"]),
            delivered=sum(one["events"] for one in done),
        )


def _stream_troubles(document: Mapping[str, Any]) -> Iterator[str]:
    for place in (*document["tables"], *document.get("letters", ())):
        if place["problem"]:
            yield f"{place.get('table') or place.get('place')}: {place['problem']}"
