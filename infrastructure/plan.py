"""What to deploy: sizes and places, from the CDK's context, and the tables from rtp's own settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.settings.file import default_path, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.models import Settings

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Plan:
    """Everything that one deployment differs in from another. `code` is the folder that `make package` fills."""

    settings: Settings
    config: Path
    code: Path
    consumer_code: Path = _FOLDER / "consumer"
    batch_records: int = 100
    parallelization: int = 10
    max_record_age_hours: int = 23
    retries: int = 1000
    cache_node: str = "cache.t4g.medium"
    database_class: str = "db.t4g.medium"

    def __post_init__(self) -> None:
        if not 1 <= self.parallelization <= 10:
            raise ValueError("parallelization: Lambda takes 1 to 10 batches of a shard at once")

    @property
    def tables(self) -> Mapping[str, str]:
        """The DynamoDB tables to be made: name to the watch that each is for first."""
        found: dict[str, str] = {}
        for watch, table in self.settings.dynamodb.tables.items():
            found.setdefault(table.table, watch)
        return found


def plan_from(context: Mapping[str, str | None]) -> Plan:
    """The plan that `cdk deploy --context config=rtp.yaml --context code=build/lambda` asks for."""
    config = Path(context.get("config") or default_path())
    return Plan(
        settings=load_settings(config, environ={}, options={}),
        config=config,
        code=Path(context.get("code") or "build/lambda"),
        consumer_code=Path(context.get("consumer_code") or _FOLDER / "consumer"),
        parallelization=int(context.get("parallelization") or 10),
        batch_records=int(context.get("batch_records") or 100),
        cache_node=context.get("cache_node") or "cache.t4g.medium",
        database_class=context.get("database_class") or "db.t4g.medium",
    )
