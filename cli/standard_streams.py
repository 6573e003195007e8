"""Standard output and standard error, as every command and every library writes to them.

Python's own end in a traceback where nobody reads any more, where the disk is full, or where whoever started rtp has
closed them.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from cli.signals import ENDED_EARLY, request_stop

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_FAILED = 2
# A terminal that is gone is a reader that is gone.
_NOBODY_READS = {errno.EPIPE, errno.EIO}


class _Stream(io.FileIO):
    """What is written to it after it has failed goes nowhere."""

    def write(self, text: ReadableBuffer, /) -> int:
        """Write all that fits; a pipe that somebody else has made non-blocking is waited for."""
        try:
            while (written := super().write(text)) is None:
                select.select([], [self], [])
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            self.failed(error)
            return memoryview(text).nbytes
        return written

    def failed(self, error: OSError) -> None:
        """Called once, when writing has failed. Standard error has nobody to tell, and rtp's work goes on."""


class _Output(_Stream):
    """Ends rtp in the orderly way, as a signal does, where it cannot be written to."""

    exit_code = 0
    """What rtp has to end with, where it has failed for another reason than that its reader has seen enough."""

    def failed(self, error: OSError) -> None:
        """Called in whichever thread was printing."""
        code = ENDED_EARLY
        if error.errno not in _NOBODY_READS:
            sys.stderr.write(f"standard output cannot be written: {error.strerror}\n")
            code = self.exit_code = _FAILED
        if not request_stop():
            sys.exit(code)


def guard_standard_streams() -> _Output:
    """Put them in place of Python's."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # It gets the lowest number that is free: this one, which else a connection would have.
            os.open(os.devnull, os.O_RDONLY)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    output = _Output(1, "w", closefd=False)
    sys.stdout = _text(output, sys.stdout, is_line_buffered=output.isatty())
    sys.stderr = _text(_Stream(2, "w", closefd=False), sys.stderr, is_line_buffered=True)
    return output


def _text(stream: _Stream, replaced: TextIO | None, *, is_line_buffered: bool) -> TextIO:
    # Names from data hold any character; a terminal or a pipe in another encoding must not end rtp.
    return io.TextIOWrapper(
        io.BufferedWriter(stream),
        encoding=replaced.encoding if replaced else "utf-8",
        errors="backslashreplace",
        line_buffering=is_line_buffered,
    )
