"""The Typer application `rtp`. A new command is one file, and one line here."""

from __future__ import annotations

import sys

import typer

from cli.lazy import Place, lazy_group
from cli.output import print_error
from cli.signals import ENDED_EARLY
from core.errors import RtpError

COMMANDS = {
    "run": Place("cli.run", "run", notes_signals=True),
    "tail": Place("cli.tail", "tail", notes_signals=True),
    "loadtest": Place("cli.loadtest", "loadtest", notes_signals=True),
    "install-triggers": Place("cli.install_triggers", "install_triggers"),
    "uninstall-triggers": Place("cli.uninstall_triggers", "uninstall_triggers"),
    "validate": Place("cli.validate", "validate"),
    "status": Place("cli.status", "status"),
    "explain": Place("cli.explain", "explain"),
    "route": Place("cli.route", "route"),
    "backtest": Place("cli.backtest", "backtest"),
    "schema": Place("cli.schema", "schema"),
    "reset-cursor": Place("cli.reset_cursor", "reset_cursor_command"),
    "dlq": Place("cli.dlq", "dlq"),
    "cache": Place("cli.cache", "cache"),
}

app = typer.Typer(
    name="rtp",
    cls=lazy_group(COMMANDS),
    help="Real-time event processor for DeFi data: know within milliseconds when something significant changes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    callback=lambda: None,  # Typer wants a group to have a command or this, and reads none of COMMANDS
)


def main() -> None:
    """Run the command line; every error of rtp's own is a clear line and exit code 2."""
    try:
        app()
    except RtpError as error:
        print_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(ENDED_EARLY)
