"""`rtp forget`: drop what rtp remembers of a protocol or token, where that does it no good."""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import connection_to
from cli.kinds import ENTITY, KINDS, kind_name, require_kind
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.output import err, out, print_json
from cli.running_demo import use_demo_if_unnamed
from cli.tables import new_table
from core.errors import SettingsError, UnknownEntity
from core.handler.baselines import Baselines, counted_watches, redis_url_of
from core.handler.forgetting import forget_item, read_items
from core.inspection.document import as_document
from core.inspection.entities import read_entities
from core.inspection.in_words import moment
from core.judging.forgetting import RememberedEntity, forget_entities, read_remembered
from core.problem import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from psycopg import Connection

    from core.handler.forgetting import RememberedItem
    from core.settings.models import Settings

    Remembered = RememberedEntity | RememberedItem

_Kind = Annotated[str | None, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="What it is a kind of.")]
_Watch = Annotated[str | None, typer.Option("--watch", help="Only in this watch.")]
_Chain = Annotated[str | None, typer.Option("--chain", help="Only on this chain. Default: on every chain it is on.")]
_Entity = Annotated[str, typer.Option(*ENTITY, help="The protocol, token or other entity, as the table names it.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def forget(
    entity: _Entity,
    kind: _Kind = None,
    watch: _Watch = None,
    chain: _Chain = None,
    yes: _Yes = False,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Drop an entity's baseline, quarantine and waiting samples, after asking: its next sample is a first sighting.

    For what a wrong row has left behind, such as a time far ahead. Nothing is published; events, cache and your own
    tables stay. rtp may run meanwhile. Of a watch that a DynamoDB table feeds, it is the memory in Redis.

    Example: [bold]rtp forget --kind price --chain base --token usdc --config rtp.yaml[/]
    """
    if kind is None and watch is None:
        raise SettingsError("rtp forget needs to know of what", "Give --kind or --watch")
    settings = settings_from(config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url)
    if not settings.dynamodb.tables:
        settings = use_demo_if_unnamed(settings, "PostgreSQL")
    require_kind(kind, settings)
    asked = {"entity": entity, "kind": kind, "watch": watch, "chain": chain}
    with _database(settings) as connection, _streams(settings) as baselines:
        found: list[Remembered] = [] if connection is None else [*read_remembered(connection, asked)]
        if baselines is not None:
            for name in _fed_watches(settings, kind, watch):
                found += read_items(baselines, name, entity, chain)
        if not found:
            raise _unknown(asked, connection)
        if not yes:
            _confirm(found)
        if connection is not None:
            forget_entities(connection, [one for one in found if isinstance(one, RememberedEntity)])
        if baselines is not None:
            for one in found:
                if not isinstance(one, RememberedEntity):
                    forget_item(baselines, one)
    _show(found, as_json=as_json)


def _database(settings: Settings) -> AbstractContextManager[Connection | None]:
    return connection_to(settings) if settings.postgres.dsn else nullcontext()


def _streams(settings: Settings) -> AbstractContextManager[Baselines | None]:
    if not settings.dynamodb.tables:
        return nullcontext()
    return closing(Baselines(settings.redis, url=redis_url_of(settings.redis), counted=counted_watches(settings)))


def _fed_watches(settings: Settings, kind: str | None, watch: str | None) -> list[str]:
    return [
        name
        for name in settings.dynamodb.tables
        if watch in (None, name) and kind in (None, settings.watches[name].kind)
    ]


def _confirm(found: Sequence[Remembered]) -> None:
    if not sys.stdin.isatty():
        raise SettingsError("rtp forget asks before it forgets, and nobody can answer", "Say --yes")
    rows = ((one.watch, one.chain, one.entity, one.value, one.sampled_at) for one in found)
    err.print(new_table("Remembered", "watch", "chain", "entity", "baseline", "newest sample", rows=rows))
    typer.confirm(f"Forget {counted(len(found), 'entity', 'entities')}?", abort=True, err=True)


def _unknown(asked: dict[str, str | None], connection: Connection | None) -> UnknownEntity:
    entity, kind, watch, chain = (str(asked[name] or "") for name in ("entity", "kind", "watch", "chain"))
    of = f"watch {watch}" if watch else f"kind {kind}"
    where = f" on {chain}" if chain else ""
    known = [] if connection is None else read_entities(connection)
    names = {one.name for one in known if kind in ("", one.kind) and watch in ("", one.watch)}
    near = get_close_matches(entity, names, n=3)
    return UnknownEntity(
        f"nothing is remembered of {entity}{where}, of {of}", f"Did you mean: {', '.join(near)}" if near else ""
    )


def _show(found: Sequence[Remembered], *, as_json: bool) -> None:
    if as_json:
        documents = [as_document(one) for one in found]
        print_json({"forgotten": [{name: one[name] for name in one if name != "watch_id"} for one in documents]})
        return
    for one in found:
        newest = f", newest sample {moment(one.sampled_at)}" if one.sampled_at else ""
        out.print(f"watch {one.watch}: {one.chain}/{one.entity} forgotten{newest}", markup=False)
