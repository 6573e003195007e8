"""The dead letters of a stream source, and what became of them, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rich.text import Text

from cli.output import err, out, print_json, print_problem
from cli.tables import new_table
from core.inspection.document import as_document
from core.inspection.in_words import moment
from core.problem import counted
from core.sinks.sink_type import needing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.handler.replay import Replayer
    from core.handler.services import StreamServices
    from core.letters.failure import Failure
    from core.letters.replayed import Replayed


def open_replayer(services: StreamServices) -> Replayer:
    """What does letters again. Raises SettingsError."""
    with needing("aws", "the streams are DynamoDB's"):
        from core.handler.replay import Replayer  # noqa: PLC0415 - boto3 is an extra
    return Replayer(services)


def failure_document(failure: Failure) -> dict[str, Any]:
    """A letter as JSON."""
    return {**as_document(failure), "table": failure.table}


def print_failures(failures: Sequence[Failure], *, as_json: bool, limit: int | None = None) -> None:
    """A line each as JSON, else a table."""
    if as_json:
        for failure in failures[:limit]:
            print_json(failure_document(failure))
        return
    if not failures:
        out.print("No dead letters.")
        return
    shown = failures[: limit or 100]
    rows = [
        (
            one.id,
            one.place,
            one.what,
            _whom(one),
            one.records,
            moment(one.newest_at) if one.newest_at else None,
            one.error,
        )
        for one in shown
    ]
    out.print(
        new_table(f"Dead letters: {len(failures):,}", "id", "in", "what", "of", "records", "last", "error", rows=rows)
    )
    if rest := len(failures) - len(shown):
        out.print(Text(f"and {rest:,} more: --limit {len(failures)}"))


def show_replayed(done: Iterable[Replayed], *, as_json: bool) -> bool:
    """Show them as they come, and a sum. Returns whether none stays."""
    came, records, events, passed_over = Counter[str](), 0, 0, 0
    try:
        for one in done:
            came[one.came] += 1
            records, events, passed_over = records + one.records, events + one.events, passed_over + one.passed_over
            if as_json:
                names = [field.name for field in fields(one) if field.name != "failure"]
                known = {name: getattr(one, name) for name in names}
                print_json({"id": one.failure.id, "what": one.failure.what, "table": one.failure.table, **known})
                continue
            if one.came in ("refused", "waiting"):
                print_problem(f"letter {one.failure.id} stays, {one.came}: {one.why}")
            for line in one.unknown:
                print_problem(f"letter {one.failure.id}: not known any more: {line}", style="dim")
            if one.failure.what == "batch" and err.is_terminal:
                err.print(f"{records:,} records ...", style="dim")
    finally:  # an outage in the middle: what was done until then is done
        if not as_json:
            letters = ", ".join(f"{number:,} {how}" for how, number in came.items()) or "none is meant"
            passed = f", {passed_over:,} passed over" if passed_over else ""
            out.print(f"Letters: {letters}. {counted(records, 'record')}, {counted(events, 'event')}{passed}.")
    return not (came["refused"] or came["waiting"])


def _whom(one: Failure) -> str:
    if one.what in ("event", "alert"):
        return f"{one.kind or '?'} {one.chain or '?'}/{one.entity or '?'}"
    place = "" if one.shard is None else f" {one.shard}"
    return f"{one.table or '?'}{place}"
