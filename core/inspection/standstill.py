"""Keeping rtp from running, for work that must not happen while it runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import RunningError
from core.inspection.inspector import is_running
from core.leading.leader_row import keeping_leaders_away

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection


@contextmanager
def standstill(connection: Connection) -> Iterator[None]:
    """Within, no rtp run leads on this database. Raises RunningError where one is active."""
    if is_running(connection):
        raise RunningError("rtp run is active on this database; nothing was changed", "Stop it first")
    with keeping_leaders_away(connection):
        yield
