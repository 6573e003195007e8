"""A Redis that takes commands and leaves scripts for later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis


@contextmanager
def held(client: redis.Redis) -> Iterator[None]:
    """The server answers no script for a while."""
    client.client_pause(30_000, all=False)
    try:
        yield
    finally:
        client.client_unpause()
