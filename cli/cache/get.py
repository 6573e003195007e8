"""`rtp cache get`: one entry, as services read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.cache.options import tables_of
from cli.kinds import ENTITY, KINDS, kind_name, require_kind
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.output import out, print_json
from cli.running_demo import use_demo_if_unnamed
from cli.source import Source
from cli.tables import facts
from core.cache.readers import cache_reader
from core.errors import UnknownEntity
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtp_client import Entry

_Kind = Annotated[str, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="What it is.")]
_Entity = Annotated[str, typer.Option(*ENTITY, help="The protocol, token or other entity, as the table names it.")]
_Chain = Annotated[str, typer.Option("--chain", help="Its chain; `all` where the watch maps none.")]


def get_command(
    kind: _Kind,
    entity: _Entity,
    chain: _Chain = "all",
    config: Config = None,
    redis_url: RedisUrl = None,
    postgres_dsn: PostgresDsn = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show one entry: its value, sequence, how fresh it is, where it was read, and its newest event.

    What is not cached is read from the table and cached, as for every reader; exit code 2 where the table has none.

    Example: [bold]rtp cache get --kind tvl --chain ethereum --protocol lido --config rtp.yaml[/]
    """
    named = settings_from(config, stack=stack, redis__url=redis_url, postgres__dsn=postgres_dsn)
    settings = use_demo_if_unnamed(named, "Redis")
    require_kind(kind, settings)
    tables = tables_of(settings, source)
    with cache_reader(settings, dynamodb=tables, is_counted=False) as reader:
        entry = reader.get(kind, chain, entity)
    if entry is None:
        has_table = settings.postgres.dsn or tables is not None
        where = "neither the cache nor the table knows" if has_table else "the cache does not hold"
        raise UnknownEntity(
            f"{where} {kind} of {shown(entity)} on chain {shown(chain)}", "Look at the table for how it is written"
        )
    if as_json:
        print_json(entry.as_json())
    else:
        out.print(facts(_facts(entry)))


def _facts(entry: Entry) -> Iterator[tuple[str, Any]]:
    yield from {"kind": entry.kind, "chain": entry.chain, "entity": entry.entity}.items()
    yield from {"value": entry.value}.items() if entry.fields is None else entry.fields.items()
    yield "sequence", str(entry.sequence)  # to be pasted, so without commas
    yield "as of", entry.as_of
    yield "source", f"{entry.source}{', stale' if entry.is_stale else ''}{', deleted' if entry.is_deleted else ''}"
    if event := entry.event:
        change = f", {event.data.change_pct} %" if event.data.change_pct else ""
        yield "newest event", f"{event.data.reason}{change}, {event.data.severity}, {event.data.changed_at}"
