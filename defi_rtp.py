"""The command `rtp`, under the one name of the installation that no project of a user's has, too.

A service may have a `core` or a `cli` of its own on its PYTHONPATH, and Python looks there first. So rtp's own folder
is put before it, for this process and for those that it starts.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line."""
    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  (pathlib would double the time until here)
    if theirs := os.environ.get("PYTHONPATH"):
        sys.path.insert(0, own)
        os.environ["PYTHONPATH"] = os.pathsep.join((own, theirs))
    from cli.__main__ import main as run  # noqa: PLC0415  (not before the path is right)

    run()
