"""rtp's triggers on the peers' table: one watch, rtp's defaults."""

from __future__ import annotations

from core.services.postgres import connect
from core.settings.models import Settings
from loadtests.benchmarks.peers.peer import Place
from triggers.installer import apply, plan_installation


def settings_of() -> Settings:
    """What `rtp run` is told, besides the addresses, which it has from its environment."""
    columns = {
        "chain": "chain",
        "protocol": "protocol",
        "value": "tvl_usd",
        "changed_at": "updated_at",
        "provenance": "source",
    }
    return Settings.model_validate({"watches": {"tvl": {"kind": "tvl", "table": "tvl", "columns": columns}}})


def install(place: Place) -> None:
    """As `rtp install-triggers` does."""
    with connect(place.dsn, role="peers") as connection:
        apply(connection, plan_installation(connection, settings_of()))
