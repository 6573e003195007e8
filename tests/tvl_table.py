"""The demo's table `tvl`, and who writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg


def write(
    connection: psycopg.Connection,
    *values: float | str | None,
    entity: str = "lido",
    chain: str = "ethereum",
    source: str = "llama",
) -> list[str]:
    """Write an entity's values, a statement each: its row is made, or updated. Returns them as events tell them."""
    for value in values:
        connection.execute(
            "INSERT INTO public.tvl VALUES (%s, %s, %s, %s) ON CONFLICT (chain, protocol)"
            " DO UPDATE SET tvl_usd = excluded.tvl_usd, source = excluded.source",
            [chain, entity, value, source],
        )
    return [str(value) for value in values]
