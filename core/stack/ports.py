"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket

from core.errors import StackError

LOOPBACK = "127.0.0.1"
# Below the range from which Linux (32768) and macOS (49152) take the source ports of connections. Inside it,
# a client that reconnects to a server that is down can be given that very port: it connects to itself, and
# the server cannot come back.
FIRST, LAST = 20_000, 32_000


def free_port() -> int:
    """A port nobody listens on now. Someone may take it before our server does; callers try again."""
    for _ in range(200):
        port = random.randint(FIRST, LAST)  # noqa: S311  (to differ from other stacks', not a secret)
        if is_free(port):
            return port
    raise StackError(f"No free port between {FIRST} and {LAST}", "Give the ports yourself")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
