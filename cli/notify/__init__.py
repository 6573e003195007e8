"""`rtp notify`: telling people. Its command without a name is one file, and so is each other one."""

from __future__ import annotations

import typer

from cli.notify.ack import ack_command
from cli.notify.run import notify_command
from cli.signals import interruptible

notify = typer.Typer(name="notify", rich_markup_mode="rich")
notify.callback(invoke_without_command=True)(notify_command)
notify.command("ack", no_args_is_help=True)(interruptible(ack_command))
