"""What works, and yet is not wise: how strong rtp's role is, and what it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triggers.catalog import read_oids, read_server, read_stronger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from core.settings.models import Settings


def find_risks(connection: Connection, settings: Settings) -> Iterator[str]:
    """A line for each."""
    role = read_server(connection).role
    if role == "rtp":
        yield (
            "postgres: the role is called rtp, so its search_path begins with the schema rtp, and tables that it makes"
            ' without naming a schema land there. ALTER ROLE "rtp" RENAME TO "rtp_owner"'
        )
    oids = read_oids(connection, [watch.table_parts for watch in settings.watches.values()])
    for name, watch in settings.watches.items():
        oid = oids.get(watch.table_parts)
        found = read_stronger(connection, oid) if oid is not None else None
        if found is not None:
            yield (
                f"watches.{name}.table: {watch.table} belongs to {found.owner}, and role {role} may do what"
                f" {found.owner} may not ({', '.join(found.powers)}). What an owner hangs on a table, such as a policy,"
                " runs with the rights of those who read it. Give rtp a role of its own: `rtp grants --role rtp_owner`"
            )
