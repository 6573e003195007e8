"""Textual's driver of a terminal, which outlives the terminal.

Textual's own thread ends at the first write that fails, and whoever writes then waits for it for ever: a board whose
window was closed would never end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

from cli.signals import request_stop

if TYPE_CHECKING:
    from typing import TextIO


class LastingDriver(LinuxDriver):
    """Asks for the end where the terminal takes nothing any more."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file: Any = _LastingFile(self._file)


class _LastingFile:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        try:
            self._file.write(text)
        except OSError:
            request_stop()

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError:
            request_stop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
