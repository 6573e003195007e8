"""The peers' triggers and tables, which `install.sql` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.services.postgres import connect, queries

if TYPE_CHECKING:
    from loadtests.benchmarks.peers.peer import Place

_QUERIES = queries("loadtests.benchmarks.peers", "install.sql")


def run(place: Place, name: str) -> None:
    """Execute one named block of it."""
    with connect(place.dsn, role="peers") as connection:
        connection.execute(_QUERIES[name])
