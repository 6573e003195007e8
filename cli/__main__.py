"""Where `rtp` begins. Nothing is imported until Ctrl-C can be answered: loading all of it takes half a second."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Load the command line, and run it."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        # An exception could be raised anywhere in an import, also where Python only prints it and goes on. There is
        # nothing to tidy up yet.
        signal.signal(signal.SIGINT, _leave)
    from cli.app import main as run  # noqa: PLC0415  (see above)

    signal.signal(signal.SIGINT, usual)
    run()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    os._exit(130)


if __name__ == "__main__":
    main()
