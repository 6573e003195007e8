"""`rtp reset-cursor`: deliver again, skip, or forget a sink; the way out when a database was restored."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from cli.database import connection_to
from cli.options import AsJson, Config, PostgresDsn, Stack, settings_from
from cli.output import out, print_json
from cli.running_demo import use_demo_if_unnamed
from core.errors import SettingsError
from core.inspection.document import as_document
from core.inspection.standstill import standstill
from core.log.reset import EARLIEST, LATEST, forget_cursor, reset_cursor
from core.problem import counted
from core.sinks.registry import sink_names
from rtp_client.redact import shown

_Sink = Annotated[str, typer.Option("--sink", help="Whose cursor, as `rtp status` names it.")]
_To = Annotated[
    str | None,
    typer.Option("--to", metavar="earliest|latest|SEQ", help="All of the log, none of it, or what comes after SEQ."),
]
_Forget = Annotated[bool, typer.Option("--forget", help="Remove the cursor of a sink that is no longer used.")]


def reset_cursor_command(
    sink: _Sink,
    to: _To = None,
    forget: _Forget = False,
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Choose where a sink goes on in the log; rtp must not be running meanwhile.

    [bold]earliest[/] delivers again all that the log still holds, [bold]latest[/] nothing that is in it now, a sequence
    all that comes after that event. Needed after a restore from a dump; new sequences then start above all old ones.

    Example: [bold]rtp reset-cursor --sink redis --to earliest --config rtp.yaml[/]
    """
    if (to is None) is not forget:
        raise SettingsError("rtp reset-cursor needs either --to or --forget", "Say --to earliest, latest or a sequence")
    place = None if to is None else _place(to)
    settings = use_demo_if_unnamed(settings_from(config, stack=stack, postgres__dsn=postgres_dsn), "PostgreSQL")
    with connection_to(settings) as connection, standstill(connection):
        if place is None:
            forget_cursor(connection, sink)
            _show({"sink": sink, "forgotten": True}, f"{sink}: forgotten", as_json=as_json)
            return
        done = reset_cursor(connection, sink, place, also_known=sink_names(settings))
    mended = f"; {done.mismatch}, which is mended" if done.mismatch else ""
    waiting = counted(done.waiting_events, "event waits", "events wait")
    line = f"{sink}: goes on after sequence {done.after_sequence}, {waiting}{mended}"
    _show(as_document(done), line, as_json=as_json)


def _place(text: str) -> int | str:
    if text in {EARLIEST, LATEST}:
        return text
    if re.fullmatch(r"[0-9]{1,20}", text) and int(text) < 2**63:
        return int(text)
    raise SettingsError(f"option --to: {shown(text)!r} is not a place", "Say earliest, latest or an event's sequence")


def _show(document: object, line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        out.print(line, markup=False)
