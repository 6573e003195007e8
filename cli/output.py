"""What all commands print with: results on standard output, everything else on standard error."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from cli.signals import ENDED_EARLY, request_stop

if TYPE_CHECKING:
    from core.errors import RtpError

# Names from data hold any character; a terminal or a pipe in another encoding must not end rtp.
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="backslashreplace")


class _Output(Console):
    """Standard output. When its reader has gone (`rtp run --demo | head`), rtp ends in the orderly way."""

    def on_broken_pipe(self) -> None:
        """Called by Rich, in whichever thread was printing."""
        end_as_nobody_reads()


# What the data or the settings call `:bat:` or `webhook:bat:` stays that, and becomes no picture.
out = _Output(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def print_json(document: Any) -> None:
    """One JSON document on one line of standard output, at once."""
    try:
        sys.stdout.write(json.dumps(document, default=str) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        end_as_nobody_reads()


def print_line(line: bytes) -> None:
    """One line on standard output, at once, exactly as it is."""
    try:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        end_as_nobody_reads()


def end_as_nobody_reads() -> None:
    """Drop what is still printed, and end as after a signal. A command that notes none ends here."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    if not request_stop():
        raise typer.Exit(ENDED_EARLY)


def print_error(error: RtpError) -> None:
    """An error, one line per problem, on standard error."""
    for line in str(error).splitlines():
        print_problem(line, style="red")


def print_problem(line: str, *, style: str = "yellow") -> None:
    """One line on standard error. It may hold names from data: no markup, no control characters, no wrapping."""
    err.print("".join(c if c.isprintable() else "�" for c in line), style=style, markup=False, soft_wrap=True)
