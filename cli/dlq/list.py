"""`rtp dlq list`: which letters there are."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.text import Text

from cli.dlq.options import (
    Chain,
    Entity,
    ErrorText,
    KindOption,
    OpenLetters,
    OriginOption,
    Since,
    Sink,
    open_letters,
    selection_of,
    settings_for,
)
from cli.dlq.streams import list_failures
from cli.option_values import whole_number
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, Stack
from cli.output import out, print_json
from cli.source import Source, is_streams
from cli.tables import new_table
from core.inspection.document import as_document
from core.inspection.in_words import moment
from core.letters.letter import Letter, LetterOrigin, Selection
from core.letters.store import DeadLetterStore, peek
from core.letters.table import read_letters

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PEEKED = 1000


_Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        parser=whole_number("--limit", 1),
        metavar="N",
        help="At most this many; 100, or all with --json.",
    ),
]
_Settled = Annotated[bool, typer.Option("--settled", help="Also what was redriven or dropped in the last seven days.")]


def list_command(
    sink: Sink = None,
    kind: KindOption = None,
    chain: Chain = None,
    entity: Entity = None,
    since: Since = None,
    error: ErrorText = None,
    origin: OriginOption = None,
    settled: _Settled = False,
    limit: _Limit = None,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show the dead letters, oldest first: rtp's own, those of SQS's redrive policy, and what could not be told.

    SQS shows at most the first ten messages of a group at a time, and hides them from others while rtp looks.
    Exit code 1 where a queue could not be read.
    Of a stream source: records and events in Redis, what lies in its failure queue, and behind the alerts' queues.
    Where the settings name people to tell and no database, what could not be told alone.

    Example: [bold]rtp dlq list --sink sqs --since 24h --config rtp.yaml[/]
    """
    selection = selection_of(None, sink, kind, chain, entity, since, error, origin)
    settings = settings_for(
        kind, config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url
    )
    if is_streams(settings, source):
        list_failures(settings, selection, limit=limit, as_json=as_json)
        return
    with open_letters(settings, origin=origin, sink=selection.sink) as opened:
        letters = list(_letters(opened, selection, settled=settled))
        if as_json:
            for letter in islice(letters, limit):
                print_json(as_document(letter))
        elif letters or not opened.problems:
            out.print(_table(letters, limit or 100))
        else:
            out.print("No dead letters where rtp could look.")
        if opened.problems:
            raise typer.Exit(1)


def _letters(opened: OpenLetters, selection: Selection, *, settled: bool) -> Iterator[Letter]:
    found = _stored(opened.store, selection, settled=settled) if opened.store else []
    found += opened.untold.meant(selection) if opened.untold else []
    found.sort(key=lambda letter: (letter.sequence or 0, letter.id))
    return filter(selection.matches, found)


def _stored(store: DeadLetterStore, selection: Selection, *, settled: bool) -> list[Letter]:
    found = read_letters(store.connection, settled=settled) if selection.origin in (None, LetterOrigin.DATABASE) else []
    for sink in store.queues:
        if selection.sink in (None, sink):
            found += [letter for letter, _ in peek(store, sink, _MOST_PEEKED)]
    return found


def _table(letters: list[Letter], limit: int) -> Group | Text:
    if not letters:
        return Text("No dead letters.")
    table = new_table(
        f"Dead letters: {len(letters):,}",
        *("id", "origin", "sink", "event", "tried", "last", "error"),
        rows=[
            (
                *(one.id, one.origin, one.sink, f"{one.kind or '?'} {one.chain or '?'}/{one.entity or one.group}"),
                *(str(one.attempts), moment(one.newest_at) if one.newest_at else None),
                one.error if one.status == "dead" else f"{one.status}; {one.error}",
            )
            for one in letters[:limit]
        ],
    )
    rest = len(letters) - limit
    return Group(table, Text(f"and {rest:,} more: --limit {len(letters)}" if rest > 0 else ""))
