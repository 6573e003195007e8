"""What all commands print with: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from core.errors import RtpError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on one line of standard output, at once."""
    sys.stdout.write(json.dumps(document, default=str) + "\n")
    sys.stdout.flush()


def print_error(error: RtpError) -> None:
    """An error, one line per problem, on standard error."""
    for line in str(error).splitlines():
        print_problem(line, style="red")


def print_problem(line: str, *, style: str = "yellow") -> None:
    """One line on standard error. It may hold names from data: no markup, no control characters, no wrapping."""
    err.print("".join(c if c.isprintable() else "�" for c in line), style=style, markup=False, soft_wrap=True)
