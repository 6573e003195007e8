"""The protocols, tokens and other entities that the triggers know. Asking the tables would cost more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.inspection.unseen import Entity
from core.log.installation import read_installation
from core.services.postgres import queries

if TYPE_CHECKING:
    from psycopg import Connection

_QUERIES = queries("core.sql", "inspection.sql")


def read_entities(connection: Connection) -> list[Entity]:
    """Every entity that an installed watch has seen. Raises NotInstalled."""
    read_installation(connection)
    return [Entity._make(row) for row in connection.execute(_QUERIES["entities"]).fetchall()]
