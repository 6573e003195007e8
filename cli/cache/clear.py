"""`rtp cache clear`: remove entries."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from cli.cache.options import KindOption, redis_of
from cli.kinds import require_kind
from cli.options import AsJson, Config, RedisUrl, Stack, settings_from
from cli.output import out, print_json
from cli.running_demo import use_demo_if_unnamed
from core.errors import SettingsError
from core.kinds import MARKET
from core.problem import counted
from rtp_client.keys import cache_key_pattern

_PAGE = 1000
_All = Annotated[bool, typer.Option("--all", help="Entries of every kind.")]


def clear_command(
    kind: KindOption = None,
    all_: _All = False,
    config: Config = None,
    redis_url: RedisUrl = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Remove the entries of a kind from the cache; readers then fill them from the tables.

    Safe while rtp runs: an event that comes meanwhile is never lost. Stream, channels and counts stay.

    Example: [bold]rtp cache clear --kind price --config rtp.yaml[/]
    """
    if (kind is None) is not all_:
        raise SettingsError("rtp cache clear needs either --kind or --all", "Say which kind, e.g. --kind tvl")
    settings = use_demo_if_unnamed(settings_from(config, stack=stack, redis__url=redis_url), "Redis")
    require_kind(kind, settings, MARKET.name)
    removed = 0
    with redis_of(settings) as client:
        keys = client.scan_iter(cache_key_pattern(kind), count=_PAGE)
        while page := list(islice(keys, _PAGE)):
            removed += client.unlink(*page)
    if as_json:
        print_json({"removed": removed})
    else:
        out.print(f"{counted(removed, 'entry', 'entries')} removed.")
