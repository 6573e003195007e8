"""Where `rtp` begins. Nothing is imported until signals can be answered: loading all of it takes half a second."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Load the command line, and run it."""
    # An exception could be raised anywhere in an import, also where Python only prints it and goes on. Until a command
    # says how it ends (cli/signals.py), there is nothing to tidy up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _leave)
    from cli.app import main as run  # noqa: PLC0415  (see above)
    from cli.standard_streams import guard_standard_streams  # noqa: PLC0415

    output = guard_standard_streams()
    try:
        run()
    except SystemExit as ending:
        sys.stdout.flush()
        sys.exit(ending.code or output.exit_code)


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
