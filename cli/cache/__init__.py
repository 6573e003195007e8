"""`rtp cache`: what the cache is worth, and a look into it. A command is one file, and one line here."""

from __future__ import annotations

import typer

from cli.cache.clear import clear_command
from cli.cache.get import get_command
from cli.cache.stats import stats_command
from cli.cache.warm import warm_command
from cli.signals import interruptible

cache = typer.Typer(
    name="cache",
    help="The cache in Redis: its hit ratio, its entries, filling and emptying it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for name, command in (
    ("stats", stats_command),
    ("get", get_command),
    ("warm", warm_command),
    ("clear", clear_command),
):
    cache.command(name, no_args_is_help=False)(interruptible(command))
