"""`rtp dlq drop`: give up on letters."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.dlq.options import (
    All,
    Chain,
    Entity,
    ErrorText,
    Ids,
    KindOption,
    OriginOption,
    Since,
    Sink,
    open_letters,
    refuse_empty,
    selection_of,
    settings_for,
)
from cli.dlq.outcome import show_results
from cli.dlq.streams import drop_failures
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, Stack
from cli.source import Source, is_streams
from core.errors import SettingsError
from core.letters.letter import LetterOrigin
from core.letters.redrive import drop
from core.letters.table import read_letters
from core.problem import counted

if TYPE_CHECKING:
    from core.letters.letter import Selection
    from core.letters.store import DeadLetterStore
    from core.notify.outbox.letters import UntoldLetters

_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def drop_command(
    ids: Ids = None,
    everything: All = False,
    sink: Sink = None,
    kind: KindOption = None,
    chain: Chain = None,
    entity: Entity = None,
    since: Since = None,
    error: ErrorText = None,
    origin: OriginOption = None,
    yes: _Yes = False,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Give up on dead letters: those in a dead letter queue are deleted, rtp's own are kept a week as dropped.

    With --all or filters it counts them and asks first. Exit code 1 where a queue could not be read.
    Letters of a stream source are deleted, those in Redis, too.

    Example: [bold]rtp dlq drop --sink sqs --chain ethereum --config rtp.yaml[/]
    """
    selection = selection_of(ids, sink, kind, chain, entity, since, error, origin)
    refuse_empty(selection, everything=everything, verb="drop")
    settings = settings_for(
        kind, config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url
    )
    if is_streams(settings, source):
        drop_failures(settings, selection, yes=yes, as_json=as_json)
        return
    with open_letters(settings, origin=origin, sink=selection.sink, is_only_one=True) as opened:
        store, untold = opened.store, opened.untold
        if not yes and not selection.ids:
            _confirm(store, untold, selection)
        results = itertools.chain(drop(store, selection) if store else (), untold.drop(selection) if untold else ())
        show_results(results, selection.ids, is_whole=not opened.problems, as_json=as_json)
        if opened.problems:
            raise typer.Exit(1)


def _confirm(store: DeadLetterStore | None, untold: UntoldLetters | None, selection: Selection) -> None:
    if not sys.stdin.isatty():
        raise SettingsError("rtp dlq drop asks before it drops by --all or filters, and nobody can answer", "Say --yes")
    said = []
    if store:
        own = sum(1 for letter in read_letters(store.connection) if selection.matches(letter))
        said.append(f"{counted(own, 'letter')} of rtp's own")
    if untold:
        said.append(f"{counted(len(untold.meant(selection)), 'letter')} of rtp notify")
    if store and selection.origin in (None, LetterOrigin.QUEUE):
        queued = sum(queue.count() for sink, queue in store.queues.items() if selection.sink in (None, sink))
        said.append(f"and what is meant of about {counted(queued, 'message')} in dead letter queues (copies included)")
    typer.confirm(f"Drop {', '.join(said)}?", abort=True, err=True)
