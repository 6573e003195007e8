"""Where `rtp` begins. Nothing is imported until Ctrl-C can be answered: loading all of it takes half a second."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line, and run it."""
    try:
        from cli.app import main as run  # noqa: PLC0415  (see above)
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
