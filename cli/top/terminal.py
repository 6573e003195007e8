"""Whether a board can be shown here."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from cli.output import out

INSTALL = 'pip install "defi-rtp[tui]"'


def is_full_terminal() -> bool:
    """Whether a person sits at a terminal that can do more than print."""
    return out.is_terminal and not out.is_dumb_terminal and sys.stdin.isatty()


def is_textual_there() -> bool:
    """Whether what draws the board is installed."""
    return find_spec("textual") is not None


def can_show_board() -> bool:
    """Whether there is all that a board needs."""
    return is_full_terminal() and is_textual_there()
