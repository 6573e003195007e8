"""`rtp dlq`: the dead letters, listed, shown, delivered again, dropped. A command is one file, and one line here."""

from __future__ import annotations

import typer

from cli.dlq.drop import drop_command
from cli.dlq.list import list_command
from cli.dlq.retry import retry_command
from cli.dlq.show import show_command
from cli.signals import interruptible

dlq = typer.Typer(
    name="dlq",
    help="Dead letters: events that a sink can never take, and what SQS's own redrive policy gave up on.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for name, command in (
    ("list", list_command),
    ("show", show_command),
    ("retry", retry_command),
    ("drop", drop_command),
):
    dlq.command(name, no_args_is_help=False)(interruptible(command))
