"""The Typer application `rtp`. A new command is one file, and one line here."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Annotated

import typer

from cli.lazy import CommandPlace, lazy_group
from cli.output import out, print_error, print_problem
from cli.signals import ENDED_EARLY
from core.errors import RtpError
from core.own_version import own_version
from rtp_client.errors import one_line
from rtp_client.secrets import without_secrets

if TYPE_CHECKING:
    from types import TracebackType

COMMANDS = {
    "run": CommandPlace(
        "cli.run",
        "run",
        "Deliver significant changes to Redis, SQS and webhooks until stopped; Ctrl-C finishes the batch in hand.",
        notes_signals=True,
    ),
    "tail": CommandPlace(
        "cli.tail",
        "tail",
        "Show events as they are delivered, or all since a sequence, one a line; end it with Ctrl-C.",
        notes_signals=True,
    ),
    "serve": CommandPlace(
        "cli.serve",
        "serve",
        "Serve events to browsers and programs: WebSocket, Server-Sent Events, REST, and a page to look at.",
        notes_signals=True,
    ),
    "notify": CommandPlace(
        "cli.notify.command",
        "notify",
        "Tell people of alerts as `notify` in the settings says: Telegram, Slack, e-mail, wherever Apprise reaches.",
    ),
    "top": CommandPlace(
        "cli.top.command",
        "top",
        "Show movers, pegs, events, and rtp's sinks and their lag, live on one screen of a terminal.",
        notes_signals=True,
    ),
    "loadtest": CommandPlace(
        "cli.loadtest",
        "loadtest",
        "Drive the whole flow with a load, and judge it criterion by criterion; exit code 1 where one fails.",
        notes_signals=True,
    ),
    "init": CommandPlace(
        "cli.init.command",
        "init",
        "Look at a live database and propose what to watch: TVL, prices, yields, volumes and the like, with reasons.",
    ),
    "install-triggers": CommandPlace(
        "cli.install_triggers",
        "install_triggers",
        "Install or update rtp's schema and the triggers of the watched tables, in one transaction.",
    ),
    "uninstall-triggers": CommandPlace(
        "cli.uninstall_triggers",
        "uninstall_triggers",
        "Remove rtp's triggers and its schema, with the log, in one transaction. Your own tables stay as they are.",
    ),
    "validate": CommandPlace(
        "cli.validate",
        "validate",
        "Check the settings against the live database and the sinks, without changing anything.",
        notes_signals=True,
    ),
    "grants": CommandPlace(
        "cli.grants",
        "grants",
        "Print what a role needs to install, run and remove the watches, as one block of SQL; grants nothing itself.",
    ),
    "status": CommandPlace(
        "cli.status",
        "status",
        "Show what is installed, how far behind each sink is, what waits, what failed, and what the triggers cost.",
        notes_signals=True,
    ),
    "explain": CommandPlace(
        "cli.explain",
        "explain",
        "Show the rule that applies and where it comes from, the baseline, the value now, and the last events.",
    ),
    "forget": CommandPlace(
        "cli.forget",
        "forget",
        "Drop an entity's baseline, quarantine and waiting samples, after asking: its next sample is a first sighting.",
    ),
    "route": CommandPlace(
        "cli.route",
        "route",
        "Show where an event would go: its sinks, queues and channels, which routes match, and why the others do not.",
    ),
    "backtest": CommandPlace(
        "cli.backtest",
        "backtest",
        "Count the events that a settings file's rules would have raised over recorded history; touches nothing.",
    ),
    "schema": CommandPlace(
        "cli.schema",
        "schema",
        "Print the JSON Schema of the events that rtp publishes.",
    ),
    "replay": CommandPlace(
        "cli.replay",
        "replay",
        "Process the records again that Lambda gave up, and rtp's own dead letters of the same queue.",
    ),
    "reset-cursor": CommandPlace(
        "cli.reset_cursor",
        "reset_cursor_command",
        "Choose where a sink goes on in the log; rtp must not be running meanwhile.",
    ),
    "dlq": CommandPlace(
        "cli.dlq",
        "dlq",
        "Dead letters: events that a sink can never take, and what SQS's own redrive policy gave up on.",
    ),
    "cache": CommandPlace(
        "cli.cache",
        "cache",
        "The cache in Redis: its hit ratio, its entries, filling and emptying it.",
    ),
}


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        out.print(f"rtp {own_version()}")
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


def _tell_misuse(error: typer.TyperException) -> None:
    """What Typer would put into a frame of five lines. Where a group was named alone, its help stands there already."""
    if told := " ".join(error.format_message().split()).replace(": Value error, ", ": "):
        command = getattr(getattr(error, "ctx", None), "command_path", "rtp")
        print_problem(f"{told}{'' if told.endswith(('.', '?')) else '.'} See `{command} --help`", style="red")


def main() -> None:
    """Run the command line; every error of rtp's own is a clear line and exit code 2."""
    sys.excepthook = _tell_defect
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:
        _tell_misuse(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        print_problem("Aborted.", style="red")
        sys.exit(1)
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
