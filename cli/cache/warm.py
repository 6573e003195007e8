"""`rtp cache warm`: fill the entries that are likely to be read."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TextColumn

from cli.cache.options import KindOption, tables_of
from cli.kinds import require_kind
from cli.option_values import whole_number
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.output import err, out, print_json
from cli.running_demo import use_demo_if_unnamed
from cli.source import Source
from core.cache.readers import cache_reader
from core.cache.warm import warm
from core.handler.known import known_entities
from core.problem import counted
from core.settings.models import postgres_dsn as dsn_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.settings.models import Settings
    from rtp_client import CacheReader

_Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", parser=whole_number("--limit", 1), metavar="N", help="At most so many of each kind. Default: 10000."
    ),
]


def warm_command(
    kind: KindOption = None,
    limit: _Limit = None,
    config: Config = None,
    redis_url: RedisUrl = None,
    postgres_dsn: PostgresDsn = None,
    source: Source = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Fill the entries read most in the last 15 minutes, then those reported last; what is cached stays as it is.

    Of a stream source, after those read most, entities with a baseline, from DynamoDB's tables.
    rtp run does this by itself when it starts, for [bold]redis.cache.warm_entries[/] of each kind.

    Example: [bold]rtp cache warm --kind price --limit 5000 --config rtp.yaml[/]
    """
    named = settings_from(config, stack=stack, redis__url=redis_url, postgres__dsn=postgres_dsn)
    settings = use_demo_if_unnamed(named, "Redis")
    tables = tables_of(settings, source)
    if tables is None:
        dsn_of(settings)
    require_kind(kind, settings)
    kinds = [kind] if kind else sorted({watch.kind for watch in settings.watches.values()})
    bar = Progress(*Progress.get_default_columns()[:1], TextColumn("{task.completed:,} entries"), console=err)
    with (
        cache_reader(settings, dynamodb=tables, is_counted=False) as reader,
        bar if err.is_terminal else nullcontext(),
    ):
        task = bar.add_task("Warming", total=None)
        known = partial(_known, reader, settings) if tables is not None else None
        done = warm(reader, limit or 10_000, kinds=kinds, on_page=_progress(bar, task), known=known)
    if as_json:
        print_json({"entities": done.entities, "filled": done.filled})
    else:
        looked_at, filled = (counted(done.entities, "entity", "entities"), counted(done.filled, "entry", "entries"))
        out.print(f"{looked_at} looked at, {filled} filled.")


def _known(reader: CacheReader, settings: Settings, kind: str, limit: int) -> list[tuple[str, str]]:
    return known_entities(reader.client, settings, kind, limit, address=reader.address)


def _progress(bar: Progress, task: object) -> Callable[[int], object]:
    return lambda entities: bar.update(task, completed=entities)  # type: ignore[arg-type]
