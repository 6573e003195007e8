"""A consumer as a process of its own: the module to consume with, and where, comes as one line on standard input."""

from __future__ import annotations

import json
import os
import sys
import threading
from importlib import import_module
from pathlib import Path

from loadtests.benchmarks.peers.receipts import Receipts


def main() -> None:
    """Consume until killed, or until whoever started this process is gone."""
    plan = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_module(plan["module"]).PEER.consume(plan["dsn"], Receipts(Path(plan["receipts"])))


def _end_with_parent() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
