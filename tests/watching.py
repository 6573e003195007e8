"""Watching tables of a test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.settings.models import Settings
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    import psycopg

TVL = {
    "kind": "tvl",
    "table": "tvl",
    "columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "provenance": "source"},
}


def settings_of(**watches: dict[str, Any]) -> Settings:
    """Settings with these watches and nothing else."""
    return Settings.model_validate({"watches": watches})


def install(connection: psycopg.Connection, **watches: dict[str, Any]) -> None:
    """Install these watches; those that are not among them are removed."""
    apply(connection, plan_installation(connection, settings_of(**watches)))
