"""`rtp` at a terminal, with a person who presses Ctrl-C once something has been shown."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import termios
import time
from dataclasses import dataclass
from fcntl import ioctl
from typing import IO, TYPE_CHECKING, Any

from tests.forked import fork_rtp_at_a_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Session:
    """What a person at a terminal saw, and the terminal's settings before and after."""

    text: str
    code: int
    settings_before: list[Any]
    settings_after: list[Any]

    @property
    def plain(self) -> str:
        """The text without what only moves the cursor or colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text)

    @property
    def is_cursor_shown(self) -> bool:
        """Whether the cursor was visible at the end."""
        return self.text.rfind("\x1b[?25h") > self.text.rfind("\x1b[?25l")


def run_at_a_terminal(
    *arguments: str, environ: Mapping[str, str], until: str, columns: int = 120, errors: IO[bytes] | None = None
) -> Session:
    """Run `rtp` at a terminal until it has shown something, then press Ctrl-C. Errors go elsewhere, where told."""
    leader, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    before = termios.tcgetattr(terminal)
    inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    variables = inherited | dict(environ) | {"TERM": "xterm-256color"}
    process = fork_rtp_at_a_terminal(arguments, variables, terminal, errors.fileno() if errors else None)
    text = ""
    deadline = time.monotonic() + 60
    has_pressed = False
    try:
        while time.monotonic() < deadline and (process.poll() is None or select.select([leader], [], [], 0)[0]):
            if select.select([leader], [], [], 0.05)[0]:
                text += os.read(leader, 65536).decode(errors="replace")
            if until in text and not has_pressed:
                os.write(leader, b"\x03")
                has_pressed = True
        return Session(text, process.wait(10), before, termios.tcgetattr(terminal))
    finally:
        process.kill()
        process.wait()
        os.close(leader)
        os.close(terminal)


def closing_the_terminal(*arguments: str, environ: Mapping[str, str], once: str) -> int:
    """Run `rtp` at a terminal that is closed once it has shown something; the exit code."""
    leader, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = fork_rtp_at_a_terminal(arguments, os.environ | dict(environ) | {"TERM": "xterm-256color"}, terminal)
    os.close(terminal)
    try:
        text = ""
        while once not in text:
            text += os.read(leader, 65536).decode(errors="replace")
        os.close(leader)
        return process.wait(30)
    finally:
        process.kill()
        process.wait()
