"""`rtp dlq show`: all that is known of one letter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.dlq.options import OpenLetters, open_letters, selection_of, settings_for
from cli.dlq.streams import show_failure
from cli.event_line import printable
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, Stack
from cli.output import out, print_json, print_problem
from cli.source import Source, is_streams
from cli.tables import facts
from core.errors import UnknownLetter
from core.inspection.document import as_document
from core.letters.letter import LetterOrigin, event_of_message
from core.letters.store import peek
from core.letters.table import read_event, read_letters

if TYPE_CHECKING:
    from core.letters.letter import Letter

_MOST_PEEKED = 100_000
_Id = Annotated[str, typer.Argument(metavar="ID", help="The letter's id, as the list shows it.")]


def show_command(
    letter_id: _Id,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its whole event, why it is dead, and since when.

    Exit code 1 where it was not found and a queue could not be read.

    Example: [bold]rtp dlq show 12 --config rtp.yaml[/]
    """
    selection_of([letter_id], None, None, None, None, None, None, None)
    settings = settings_for(
        None, config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url
    )
    if is_streams(settings, source):
        show_failure(settings, letter_id, as_json=as_json)
        return
    origin = LetterOrigin.DATABASE if letter_id.isdigit() else LetterOrigin.QUEUE
    with open_letters(settings, origin=None if origin is LetterOrigin.QUEUE else origin) as opened:
        letter, event = (opened.untold and opened.untold.find(letter_id)) or _find(opened, letter_id, origin)
    document = as_document(letter)
    if as_json:
        print_json({**document, "event": event})
        return
    out.print(facts([(name, value) for name, value in document.items() if value is not None]))
    for line in json.dumps(event, indent=2, ensure_ascii=False).splitlines():
        out.print(printable(line), markup=False, soft_wrap=True)


def _find(opened: OpenLetters, letter_id: str, origin: LetterOrigin) -> tuple[Letter, dict[str, Any]]:
    if (store := opened.store) is None:
        raise UnknownLetter(f"there is no letter {letter_id} of rtp notify", "Look at `rtp dlq list`")
    if origin is LetterOrigin.DATABASE:
        for letter in read_letters(store.connection, settled=True):
            if letter.id == letter_id:
                return letter, read_event(store.connection, letter)
    else:
        for sink in store.queues:
            for letter, message in peek(store, sink, _MOST_PEEKED):
                if letter.id == letter_id:
                    return letter, event_of_message(message) or {"body": message.get("Body", "")}
    if opened.problems:
        print_problem(f"letter {letter_id} is not where rtp could look")
        raise typer.Exit(1)
    raise UnknownLetter(f"there is no letter {letter_id}", "Look at `rtp dlq list --settled`")
