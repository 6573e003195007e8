"""`rtp cache stats`: hit ratios, keys, memory, lifetimes, and the entries read and missed most."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from cli.cache.options import redis_of
from cli.looking import show
from cli.option_values import whole_number
from cli.options import AsJson, Config, Every, RedisUrl, Stack, settings_from
from cli.running_demo import use_demo_if_unnamed
from cli.tables import new_table
from core.cache.stats import Reads, read_stats
from core.inspection.in_words import moment
from rtp_client.keys import cache_key_owner
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.cache.stats import CacheStats, Ranked


_Top = Annotated[
    int | None,
    typer.Option(
        "--top",
        parser=whole_number("--top", 1, 999),
        metavar="N",
        help="So many of the hottest entries. Default: 10.",
    ),
]


def stats_command(
    top: _Top = None,
    every: Every = None,
    config: Config = None,
    redis_url: RedisUrl = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show how often reads find what they want in the cache, and what is in it.

    Every process that reads through rtp_client is counted. Memory and lifetimes are from 500 entries of each kind.

    Example: [bold]rtp cache stats --every 2s --config rtp.yaml[/]
    """
    settings = use_demo_if_unnamed(settings_from(config, stack=stack, redis__url=redis_url), "Redis")
    with redis_of(settings) as client:
        show(
            partial(read_stats, client, settings.all_kinds, top=top or 10),
            _tables,
            _document,
            as_json=as_json,
            every_seconds=every,
        )


def _document(stats: CacheStats) -> dict[str, Any]:
    document = asdict(stats)
    for kind, one in zip(document["kinds"], stats.kinds, strict=True):
        for window, reads in one.reads.items():
            kind["reads"][window]["hit_ratio"] = reads.hit_ratio
    return document


def _tables(stats: CacheStats) -> Group:
    reads = new_table(
        "Reads found in the cache",
        *("Kind", "1 min", "15 min", "in all", "reads", "of them local", "misses", "without Redis"),
        rows=[
            (
                str(one.kind),
                *(_percent(one.reads[window]) for window in ("1m", "15m", "total")),
                *_counts(one.reads["total"]),
            )
            for one in stats.kinds
        ],
    )
    entries = new_table(
        "Entries",
        *("Kind", "keys", "memory", "time to live"),
        rows=[(str(one.kind), one.keys, _size(one.memory_bytes), _lifetimes(one.lifetimes)) for one in stats.kinds],
    )
    since = f"Counted since {moment(datetime.fromtimestamp(stats.since, UTC))}." if stats.since else "Nothing read yet."
    ranking = [
        new_table(title, "Entry", "reads", rows=[(_name(one), one.count) for one in some])
        for title, some in (("Read most in 15 minutes", stats.hottest), ("Missed most", stats.most_missed))
        if some
    ]
    return Group(reads, Text(since, style="dim"), entries, *ranking)


def _percent(reads: Reads) -> str | None:
    return None if reads.hit_ratio is None else f"{reads.hit_ratio:.2%}"


def _counts(reads: Reads) -> Sequence[int]:
    return (reads.total, reads.local, reads.misses, reads.fallbacks)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:,.1f} kB"


def _lifetimes(shares: Any) -> str:
    return (
        ", ".join(f"{name if name == 'more' else f'<= {name}'}: {share:.0%}" for name, share in shares.items()) or "–"
    )


def _name(one: Ranked) -> str:
    if (owner := cache_key_owner(one.key)) is None:
        return shown(one.key)
    kind, chain, entity = owner
    return f"{kind} {chain}/{entity}"
