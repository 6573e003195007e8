"""`rtp dlq` of a stream source: letters in Redis, in the failure queue, and behind the queues of alerts."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import typer

from cli.dlq.sinks import refuse_unknown_sink
from cli.event_line import printable
from cli.failures import failure_document, open_replayer, print_failures, show_replayed
from cli.output import out, print_json, print_problem
from cli.tables import facts
from core.errors import SettingsError, UnknownLetter
from core.handler.services import stream_services
from core.letters.boxes import open_boxes
from core.letters.failure import document_of
from core.letters.replayed import Replayed
from core.notify.outbox.letters import UntoldLetters
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.handler.services import StreamServices
    from core.letters.boxes import Box
    from core.letters.failure import Failure
    from core.letters.letter import Selection
    from core.settings.models import Settings

    Held = list[tuple[Box, list[tuple[Failure, str]]]]


def list_failures(settings: Settings, selection: Selection, *, limit: int | None, as_json: bool) -> None:
    """Show them, oldest first in each place. Ends with exit code 1 where a queue could not be read."""
    with _held(settings, selection.sink) as (_, held, problems):
        found = [failure for _, letters in held for failure, _ in letters if selection.matches(failure)]
        print_failures(found, as_json=as_json, limit=limit)
    _end_where(problems)


def show_failure(settings: Settings, letter_id: str, *, as_json: bool) -> None:
    """Show one with all that it says."""
    with _held(settings) as (_, held, problems):
        found = [one for _, letters in held for one in letters if one[0].id == letter_id]
    if not found:
        _end_where(problems)
        raise UnknownLetter(f"there is no letter {letter_id}", "Look at `rtp dlq list`")
    failure, body = found[0]
    document, whole = failure_document(failure), document_of(body) or {"body": body}
    if as_json:
        print_json({**document, "letter": whole})
        return
    out.print(facts([(name, value) for name, value in document.items() if value is not None and name != "keys"]))
    for line in json.dumps(whole, indent=2, ensure_ascii=False).splitlines():
        out.print(printable(line), markup=False, soft_wrap=True)


def retry_failures(settings: Settings, selection: Selection, *, out_of_order: bool, as_json: bool) -> None:
    """Do those that are meant again. Ends with exit code 1 where one stays, or a queue could not be read."""
    with _held(settings, selection.sink) as (services, held, problems):
        _refuse_unknown(selection, held, problems)
        replayer = open_replayer(services)

        def done() -> Iterator[Replayed]:
            for box, letters in held:
                meant, behind = _in_order(letters, selection, out_of_order=out_of_order)
                yield from behind
                yield from replayer.replay(box, meant)

        is_done = show_replayed(done(), as_json=as_json)
    _end_where(problems)
    if not is_done:
        raise typer.Exit(1)


def drop_failures(settings: Settings, selection: Selection, *, yes: bool, as_json: bool) -> None:
    """Delete those that are meant, after asking. Ends with exit code 1 where a queue could not be read."""
    with _held(settings, selection.sink) as (_, held, problems):
        _refuse_unknown(selection, held, problems)
        meant = [(box, one) for box, letters in held for one, _ in letters if selection.matches(one)]
        if not yes and not selection.ids:
            if not sys.stdin.isatty():
                raise SettingsError("rtp dlq drop asks before it drops, and nobody can answer", "Say --yes")
            typer.confirm(f"Drop {counted(len(meant), 'letter')}?", abort=True, err=True)
        for box, failure in meant:
            box.delete(failure)
            if as_json:
                print_json({"id": failure.id, "came": "dropped", "what": failure.what})
        if not as_json:
            out.print(f"Letters: {len(meant):,} dropped." if meant else "Letters: none is meant.")
    _end_where(problems)


@contextmanager
def _held(settings: Settings, sink: str | None = None) -> Iterator[tuple[StreamServices, Held, list[str]]]:
    """Every place and its letters. What could not be read is told, and left out.

    Raises UnknownSink where no `sink` is called so.
    """
    problems: list[str] = []
    with stream_services(settings) as services, ExitStack() as holding:
        boxes: list[Box] = list(open_boxes(settings, services.store, services.address, problems))
        if settings.notify:
            boxes.append(UntoldLetters(services.store, services.address))
        held = [(box, holding.enter_context(box.hold())) for box in boxes]
        for problem in problems:
            print_problem(problem)
        if not problems:
            refuse_unknown_sink(sink, settings, (one.sink for _, letters in held for one, _ in letters if one.sink))
        yield services, held, problems


def _in_order(
    letters: list[tuple[Failure, str]], selection: Selection, *, out_of_order: bool
) -> tuple[list[tuple[Failure, str]], list[Replayed]]:
    """Those that are meant and can be done; and the alerts that stay, as an older one of their group is not meant."""
    blocked: dict[tuple[str | None, ...], str] = {}
    meant, behind = [], []
    for failure, body in letters:
        group = (failure.sink, failure.chain, failure.entity)
        if not selection.matches(failure):
            if failure.what == "alert":
                blocked.setdefault(group, failure.id)
        elif failure.what == "alert" and group in blocked and not out_of_order:
            why = f"letter {blocked[group]} of its group is older: retry it too, or drop it"
            behind.append(Replayed(failure, "waiting", why))
        else:
            meant.append((failure, body))
    return meant, behind


def _refuse_unknown(selection: Selection, held: Held, problems: list[str]) -> None:
    known = {failure.id for _, letters in held for failure, _ in letters}
    if unknown := sorted(selection.ids - known):
        _end_where(problems)
        named = f"{'letter' if len(unknown) == 1 else 'letters'} {', '.join(unknown)}"
        raise UnknownLetter(f"among what is dead there is no {named}", "Look at `rtp dlq list`")


def _end_where(problems: list[str]) -> None:
    if problems:
        raise typer.Exit(1)
