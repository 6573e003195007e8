"""`rtp status` for people: a table per subject, and none where there is nothing to say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from cli.notification_tables import notification_tables
from cli.tables import BAD, DOUBTFUL, GOOD, age, count_of_bad, facts, new_table, remarks, span, toned, whole
from core.inspection.in_words import moment
from core.kinds import SHIPPED
from core.own_version import own_version
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType
    from rich.table import Table

    from core.inspection.picture import (
        Inspection,
        Leader,
        LogSize,
        Processor,
        RunningProcess,
        SinkPosition,
        WatchFigures,
    )


def status_tables(seen: Inspection) -> Group:
    """All of it."""
    parts = [*_processes(seen), *_quarantine(seen), *_set_aside(seen), *_errors(seen), *_costs(seen)]
    notifications = notification_tables(seen.notifications, seen.at)
    return Group(_summary(seen), _watches(seen), *_unarmed(seen), _sinks(seen), *notifications, *parts)


def _summary(seen: Inspection) -> Table:
    own = seen.installation
    return facts(
        [
            ("rtp", whole(_processor(seen.processor), "" if seen.processor.is_running else DOUBTFUL)),
            ("leader", whole(_leader(seen.leader), "" if seen.leader.is_leading else DOUBTFUL)),
            ("schema", f"version {own.schema_version}, log {own.log_id}, installed {moment(own.installed_at)}"),
            *_other_versions(seen),
            ("log", _log(seen.log)),
        ]
    )


def _other_versions(seen: Inspection) -> Iterator[tuple[str, Text | None]]:
    """The versions of rtp that have a part in this, where it is not this one alone."""
    installer, own = seen.installation.installed_by, own_version()
    others = [f"triggers by rtp {installer}"] if installer not in {None, own} else []
    others += [
        f"rtp {one.version} runs on {one.host} (pid {one.pid})"
        for one in seen.processes
        if one.is_alive and one.version != own
    ]
    if others:
        yield "versions", whole(f"this is rtp {own}; {', '.join(others)}", DOUBTFUL)


def _processor(processor: Processor) -> str:
    if not processor.is_running:
        return "not running"
    return f"running, {'awake' if processor.is_awake else 'asleep'} ({', '.join(processor.sessions)})"


def _leader(leader: Leader) -> str:
    standbys = f"; standing by: {', '.join(leader.standbys)}" if leader.standbys else "; no standby"
    if leader.is_kept_away:
        return f"none: a command on {leader.host} (pid {leader.pid}) keeps the lead{standbys}"
    if not leader.is_leading or leader.since is None:
        return f"none{standbys}"
    return f"{leader.host} (pid {leader.pid}), epoch {leader.epoch}, since {moment(leader.since)}{standbys}"


def _log(log: LogSize) -> str:
    if log.oldest_at is None or log.newest_at is None:
        return "no events"
    events = ("about " if log.is_estimate else "") + counted(log.events, "event")
    return f"{events}, {log.bytes / 1e6:,.1f} MB, {moment(log.oldest_at)} to {moment(log.newest_at)}"


def _watches(seen: Inspection) -> Table:
    return new_table(
        "Watches",
        *("watch", "kind", "table", "shape", "rules", "entities", "held", "off peg"),
        *("waiting", "oldest waits", "MB", ""),
        rows=[
            (
                *(w.watch, _kind(w.kind), w.table, w.shape, w.rules, w.entities, w.held),
                toned(w.off_peg, DOUBTFUL if w.off_peg else ""),
                _waiting(w),
                span(timedelta(seconds=w.waiting_seconds)) if w.waiting else None,
                f"{w.waiting_bytes / 1e6:,.1f}" if w.waiting else None,
                remarks(_watch_remarks(w)),
            )
            for w in seen.watches
        ],
    )


def _kind(name: str) -> Text:
    return toned(name, SHIPPED[name].color if name in SHIPPED else "")


def _watch_remarks(watch: WatchFigures) -> Iterator[tuple[str, str]]:
    if not watch.is_armed:
        yield "NOT ARMED", BAD
    if watch.is_alarming or watch.is_behind:
        yield ("BEHIND", BAD) if watch.is_alarming else ("catching up", DOUBTFUL)


def _unarmed(seen: Inspection) -> Iterator[Table]:
    unarmed = [(w.watch, whole(f"{w.unarmed_cause}. {w.unarmed_remedy}", BAD)) for w in seen.watches if not w.is_armed]
    if unarmed:
        yield new_table("Not armed: writes are missed", "watch", "why", rows=unarmed)


def _waiting(watch: WatchFigures) -> int | str:
    return f"{watch.waiting:,}+" if watch.has_more_waiting else watch.waiting


def _sinks(seen: Inspection) -> RenderableType:
    if not seen.sinks:
        return Text("\nNo sink has a cursor yet: rtp run has never delivered from this log.")
    return new_table(
        "Sinks",
        *("sink", "lag", "oldest waits", "MB", "", "moved", "dead letters", "newest", "why"),
        rows=[
            (
                s.sink,
                toned(s.lag_events, DOUBTFUL if s.lag_events else ""),
                span(timedelta(seconds=s.lag_seconds)) if s.lag_events else None,
                f"{s.lag_bytes / 1e6:,.1f}" if s.lag_events else None,
                toned(_remark(s), BAD),
                age(s.moved_at, seen.at),
                count_of_bad(s.dead_letters),
                age(s.newest_dead_letter_at, seen.at),
                whole(s.newest_dead_letter, BAD),
            )
            for s in seen.sinks
        ],
    )


def _remark(sink: SinkPosition) -> str:
    said = ["BEHIND"] if sink.is_alarming else []
    if sink.mismatch:
        said.append(f"DOES NOT FIT, {sink.mismatch}: reset-cursor")
    if sink.is_configured is False:
        said.append("not configured: reset-cursor --forget?")
    return ", ".join(said)


def _processes(seen: Inspection) -> Iterator[Table]:
    """What only the running processes know of their services and sinks."""
    for process in seen.processes:
        place = f"rtp on {process.host} (pid {process.pid})"
        said = age(process.seen_at, seen.at)
        if not process.is_alive:
            yield facts([("silent", toned(f"{place}, last heard of {said}", DOUBTFUL))])
            continue
        yield new_table(
            f"Services, as {place} found them {said}",
            *("service", "circuit", "failures in a row", "opened", "error"),
            rows=[
                (
                    *(c["service"], toned(c["state"], GOOD if c["state"] == "closed" else BAD)),
                    *(count_of_bad(c["failures_in_a_row"]), c["opened"], whole(c["last_error"], BAD)),
                )
                for c in process.figures["circuits"]
            ],
        )
        yield new_table(
            f"Deliveries by {place}",
            *("sink", "state", "events/s", "p50 ms", "p99 ms", "delivered", "parked", "retries", "reconnects"),
            rows=[
                (
                    *(s["sink"], toned(s["state"], GOOD if s["state"] == "running" else DOUBTFUL)),
                    *(s["events_per_second"], s["p50_ms"], s["p99_ms"], s["delivered"]),
                    *(toned(s["parked"], DOUBTFUL if s["parked"] else ""), s["retries"], s["reconnects"]),
                )
                for s in process.figures["sinks"]
            ],
        )
        yield from _troubles(process, seen.at)
        errors = [(s["sink"], whole(s["last_error"], BAD)) for s in process.figures["sinks"] if s["last_error"]]
        if errors:
            yield facts(errors)


def _troubles(process: RunningProcess, at: datetime) -> Iterator[Table]:
    figures = process.figures
    if lead_trouble := figures.get("lead_trouble"):
        since = age(datetime.fromisoformat(figures["role_since"]), at)
        yield facts([(figures["role"], whole(f"since {since}: {lead_trouble}", BAD))])
    if troubles := figures.get("troubles"):
        yield new_table(
            "What it cannot do now",
            *("part", "service", "since", "failures", "cause"),
            rows=[
                (
                    *(t["part"], t["service"], age(datetime.fromisoformat(t["since"]), at), t["failures"]),
                    whole(t["cause"], BAD),
                )
                for t in troubles
            ],
        )


def _quarantine(seen: Inspection) -> Iterator[Table]:
    if seen.quarantined:
        yield new_table(
            f"In quarantine: {seen.quarantined[0].among:,}",
            *("watch", "chain", "entity", "baseline", "value", "since", "confirmations"),
            rows=[
                (q.watch, q.chain, q.entity, q.baseline, q.value, age(q.since, seen.at), q.confirmations)
                for q in seen.quarantined
            ],
        )
    if seen.outcomes:
        yield new_table(
            "Glitch guard, lately",
            *("watch", "chain", "entity", "what", "baseline", "value", ""),
            rows=[
                (o.watch, o.chain, o.entity, o.what, o.baseline, o.value, age(o.noted_at, seen.at))
                for o in seen.outcomes
            ],
        )


def _set_aside(seen: Inspection) -> Iterator[Table]:
    if seen.set_aside:
        yield new_table(
            "Set aside",
            *("watch", "why", "rows", "the last one", "chain", "entity", "value", "its time"),
            rows=[
                (s.watch, s.why, s.rows, age(s.noted_at, seen.at), s.chain, s.entity, s.value, s.at)
                for s in seen.set_aside
            ],
        )


def _errors(seen: Inspection) -> Iterator[Table]:
    if seen.trigger_errors:
        yield new_table(
            "What the triggers could not judge",
            *("watch", "errors", "newest", "operation", "sqlstate", "message"),
            rows=[
                (e.watch, e.errors, age(e.occurred_at, seen.at), e.operation, e.sqlstate, whole(e.message, BAD))
                for e in seen.trigger_errors
            ],
        )


def _costs(seen: Inspection) -> Iterator[Table]:
    if seen.trigger_costs:
        yield new_table(
            "What the triggers cost (estimated, of the last hour)",
            *("watch", "statements", "rows", "events", "total ms", "mean µs", "max µs", "since"),
            rows=[
                (c.watch, c.statements, c.rows, c.events, c.total_us // 1000, round(c.mean_us), c.max_us, c.since)
                for c in seen.trigger_costs
            ],
        )
    if seen.function_costs:
        yield new_table(
            "What the server counted (track_functions)",
            *("function", "calls", "total ms", "mean ms"),
            rows=[(f.function, f.calls, round(f.total_ms), f"{f.mean_ms:.3f}") for f in seen.function_costs],
        )
