"""What a retry or a drop came to: a line for each letter that stays, a sum at the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

from cli.output import err, out, print_json, print_problem
from core.errors import UnknownLetter
from core.inspection.document import as_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from core.letters.redrive import Result

_STAYED = frozenset({"refused", "waiting"})
_LONG = 100  # letters; from then on a count on a terminal shows that it moves


def show_results(results: Iterable[Result], ids: Collection[str], *, is_whole: bool, as_json: bool) -> None:
    """Show them as they come. Ends with exit code 1 where a letter stays.

    Raises UnknownLetter where one of the `ids` that were asked for is not among them, and they are whole: every queue
    was looked into.
    """
    counts: Counter[str] = Counter()
    unknown = dict.fromkeys(ids)
    try:
        for result in results:
            unknown.pop(result.letter.id, None)
            counts[result.came] += 1
            if as_json:
                print_json({"id": result.letter.id, "came": result.came, "why": result.why, **_names(result)})
            elif result.came in _STAYED:
                print_problem(f"letter {result.letter.id} stays, {result.came}: {result.why}")
            elif counts.total() % _LONG == 0 and err.is_terminal:
                err.print(f"{counts.total():,} letters ...", style="dim")
    finally:  # an outage in the middle: what was done until then is done
        if not as_json:
            said = ", ".join(f"{count:,} {came}" for came, count in counts.items())
            if said or not ids:
                out.print(f"Letters: {said or 'none is meant'}.", markup=False)
    if unknown:
        named = f"{'letter' if len(unknown) == 1 else 'letters'} {', '.join(sorted(unknown))}"
        if is_whole:
            raise UnknownLetter(f"among what is dead and meant there is no {named}", "Look at `rtp dlq list`")
        print_problem(f"{named}: not where rtp could look")
        raise typer.Exit(1)
    if any(counts[came] for came in _STAYED):
        raise typer.Exit(1)


def _names(result: Result) -> dict[str, object]:
    document = as_document(result.letter)
    return {name: document[name] for name in ("origin", "sink", "event_id", "chain", "entity")}
