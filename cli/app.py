"""The Typer application `rtp`. A new command is one file, and one line here."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Annotated

import typer

from cli.lazy import CommandPlace, lazy_group
from cli.output import out, print_error
from cli.signals import ENDED_EARLY
from core.errors import RtpError
from rtp_client.errors import one_line
from rtp_client.secrets import without_secrets

if TYPE_CHECKING:
    from types import TracebackType

COMMANDS = {
    "run": CommandPlace("cli.run", "run", notes_signals=True),
    "tail": CommandPlace("cli.tail", "tail", notes_signals=True),
    "serve": CommandPlace("cli.serve", "serve", notes_signals=True),
    "top": CommandPlace("cli.top.command", "top", notes_signals=True),
    "loadtest": CommandPlace("cli.loadtest", "loadtest", notes_signals=True),
    "init": CommandPlace("cli.init.command", "init"),
    "install-triggers": CommandPlace("cli.install_triggers", "install_triggers"),
    "uninstall-triggers": CommandPlace("cli.uninstall_triggers", "uninstall_triggers"),
    "validate": CommandPlace("cli.validate", "validate"),
    "grants": CommandPlace("cli.grants", "grants"),
    "status": CommandPlace("cli.status", "status"),
    "explain": CommandPlace("cli.explain", "explain"),
    "forget": CommandPlace("cli.forget", "forget"),
    "route": CommandPlace("cli.route", "route"),
    "backtest": CommandPlace("cli.backtest", "backtest"),
    "schema": CommandPlace("cli.schema", "schema"),
    "replay": CommandPlace("cli.replay", "replay"),
    "reset-cursor": CommandPlace("cli.reset_cursor", "reset_cursor_command"),
    "dlq": CommandPlace("cli.dlq", "dlq"),
    "cache": CommandPlace("cli.cache", "cache"),
}


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version  # noqa: PLC0415 - 30 ms that no other command wants

        out.print(f"rtp {version('defi-rtp')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show rtp's version and end.")
    ] = False,
) -> None:
    """Typer wants a group to have a command or a callback, and reads none of COMMANDS."""


app = typer.Typer(
    name="rtp",
    cls=lazy_group(COMMANDS),
    help="Real-time event processor for DeFi data: know within milliseconds when something significant changes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    callback=_root,
)


def _tell_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As Python does, without the secrets that a library's words may hold."""
    sys.stderr.write(without_secrets("".join(traceback.format_exception(kind, error, trace))))


def main() -> None:
    """Run the command line; every error of rtp's own is a clear line and exit code 2."""
    sys.excepthook = _tell_defect
    try:
        app()
    except RtpError as error:
        print_error(error)
        sys.exit(2)
    except RecursionError as error:
        # Of all that rtp reads only JSON from the user's tables has no bounds.
        deep = RtpError(
            f"JSON in the data is nested too deep to be read: {one_line(error)}", "Look at the row's own JSON"
        )
        print_error(deep)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(ENDED_EARLY)
