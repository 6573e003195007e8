"""`rtp dlq retry`: deliver letters again."""

from __future__ import annotations

import itertools
from typing import Annotated

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
from cli.dlq.streams import retry_failures
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, SqsEndpointUrl, Stack
from cli.source import Source, is_streams
from core.letters.redrive import redrive

_OutOfOrder = Annotated[
    bool, typer.Option("--out-of-order", help="Even where an older letter of the same group is not selected.")
]


def retry_command(
    ids: Ids = None,
    everything: All = False,
    sink: Sink = None,
    kind: KindOption = None,
    chain: Chain = None,
    entity: Entity = None,
    since: Since = None,
    error: ErrorText = None,
    origin: OriginOption = None,
    out_of_order: _OutOfOrder = False,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    sqs_endpoint_url: SqsEndpointUrl = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Deliver dead letters again, the oldest of each group first; rtp run may go on meanwhile.

    A letter whose older neighbour in its group (chain and protocol or token) is not selected stays, and says so. The
    cache keeps what is newer. Exit code 1 where a letter stays, or a queue could not be read.
    Letters of a stream source are processed again, as [bold]rtp replay[/] does. What rtp notify could not tell waits
    again behind all that waits for its destination, and rtp notify tells it.

    Examples:
    [bold]rtp dlq retry 12 13 --config rtp.yaml[/]

    [bold]rtp dlq retry --all --config rtp.yaml[/]

    [bold]rtp dlq retry --sink sqs --error AccessDenied --config rtp.yaml[/]
    """
    selection = selection_of(ids, sink, kind, chain, entity, since, error, origin)
    refuse_empty(selection, everything=everything, verb="retry")
    settings = settings_for(
        kind, config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url, sqs__endpoint_url=sqs_endpoint_url
    )
    if is_streams(settings, source):
        retry_failures(settings, selection, out_of_order=out_of_order, as_json=as_json)
        return
    with open_letters(settings, origin=origin, sink=selection.sink, with_sinks=True, is_only_one=True) as opened:
        store, untold = opened.store, opened.untold
        results = redrive(store, selection, out_of_order=out_of_order) if store else ()
        show_results(
            itertools.chain(results, untold.retry(selection, out_of_order=out_of_order) if untold else ()),
            selection.ids,
            is_whole=not opened.problems,
            as_json=as_json,
        )
        if opened.problems:
            raise typer.Exit(1)
