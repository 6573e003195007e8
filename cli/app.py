"""The Typer application `rtp`. A new command is one file, and one line here."""

from __future__ import annotations

import sys

import typer

from cli.backtest import backtest
from cli.cache import cache
from cli.dlq import dlq
from cli.explain import explain
from cli.install_triggers import install_triggers
from cli.loadtest import loadtest
from cli.output import print_error
from cli.reset_cursor import reset_cursor_command
from cli.route import route
from cli.run import run
from cli.schema import schema
from cli.signals import ENDED_EARLY, interruptible
from cli.status import status
from cli.tail import tail
from cli.uninstall_triggers import uninstall_triggers
from cli.validate import validate
from core.errors import RtpError

app = typer.Typer(
    name="rtp",
    help="Real-time event processor for DeFi data: know within milliseconds when something significant changes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for noting in (run, tail, loadtest):
    app.command(no_args_is_help=False)(noting)
for command in (install_triggers, uninstall_triggers, validate, status, explain, route, backtest, schema):
    app.command(no_args_is_help=False)(interruptible(command))
app.add_typer(dlq)
app.add_typer(cache)
app.command("reset-cursor", no_args_is_help=False)(interruptible(reset_cursor_command))


def main() -> None:
    """Run the command line; every error of rtp's own is a clear line and exit code 2."""
    try:
        app()
    except RtpError as error:
        print_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(ENDED_EARLY)
