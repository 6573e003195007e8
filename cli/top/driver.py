"""Textual's driver of a terminal, which draws where rtp's other results go, and outlives the terminal.

Textual itself draws on standard error, which may be a file while a person sits at the terminal. And its own thread ends
at the first write that fails, after which whoever writes waits for it for ever: rtp's standard output takes what nobody
reads any more, and asks for the end.
"""

from __future__ import annotations

import sys
from typing import Any

from textual.drivers.linux_driver import LinuxDriver


class LastingDriver(LinuxDriver):
    """Draws on standard output."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file: Any = sys.stdout
