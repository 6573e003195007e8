"""What all commands print with: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from core.errors import RtpError

_UNLIMITED = 100_000


class _Console(Console):
    """Fits a terminal; in a pipe or a file nothing is wrapped, nor padded at its end, whatever COLUMNS says."""

    def __init__(self, stream: TextIO | None, *, is_for_errors: bool = False) -> None:
        width = None if stream is not None and stream.isatty() else _UNLIMITED
        # What the data or the settings call `:bat:` or `webhook:bat:` stays that, and becomes no picture.
        super().__init__(stderr=is_for_errors, width=width, highlight=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print to the terminal, or plain lines elsewhere."""
        if self.file.isatty():
            super().print(*objects, **options)
            return
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))
        self.file.flush()


out = _Console(sys.stdout)
err = _Console(sys.stderr, is_for_errors=True)


def print_json(document: Any) -> None:
    """One JSON document on one line of standard output, at once."""
    sys.stdout.write(json.dumps(document, default=str) + "\n")
    sys.stdout.flush()


def print_line(line: bytes) -> None:
    """One line on standard output, at once, exactly as it is."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def print_error(error: RtpError) -> None:
    """An error, one line per problem, on standard error."""
    for line in str(error).splitlines():
        print_problem(line, style="red")


def print_problem(line: str, *, style: str = "yellow") -> None:
    """One line on standard error. It may hold names from data: no markup, no control characters, no wrapping."""
    err.print("".join(c if c.isprintable() else "�" for c in line), style=style, markup=False, soft_wrap=True)
