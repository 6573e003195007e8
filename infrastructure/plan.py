"""What to deploy: sizes and places, from the CDK's context, and the tables from rtp's own settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.settings.file import default_path
from core.sinks.settings import load_settings
from core.sinks.sqs.queues import DEFAULT_SINK, SqsDestination, sqs_destinations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.settings.models import Settings

_BUILD = Path("build")
CONTEXT = (
    "config",
    "code",
    "consumer_code",
    "tasks",
    "parallelization",
    "batch_records",
    "cache_node",
    "database_class",
)


@dataclass(frozen=True)
class Plan:
    """The parameters of a deployment. `make package` fills `code` and `consumer_code`.

    `tasks` is how many `rtp run` there are; 0 for a database that has no triggers yet.
    """

    settings: Settings
    config: Path
    code: Path
    consumer_code: Path = _BUILD / "consumer"
    tasks: int = 2
    batch_records: int = 100
    parallelization: int = 10
    max_record_age_hours: int = 23
    retries: int = 1000
    cache_node: str = "cache.t4g.medium"
    database_class: str = "db.t4g.medium"

    def __post_init__(self) -> None:
        if not 1 <= self.parallelization <= 10:
            raise ValueError("parallelization: Lambda takes 1 to 10 batches of a shard at once")
        if not 1 <= self.batch_records <= 10_000:
            raise ValueError("batch_records: Lambda takes 1 to 10000 records of a stream at once")
        if not 0 <= self.tasks <= 10:
            raise ValueError("tasks: 0 to 10; one delivers, the others stand by")

    @property
    def alert_queues(self) -> Sequence[SqsDestination]:
        """Every queue that the settings name, the default first. Where they name none, one queue all the same."""
        return sqs_destinations(self.settings) or [
            SqsDestination(DEFAULT_SINK, "rtp-alerts.fifo", None, is_default=True)
        ]

    @property
    def python(self) -> str:
        """The Python that the packaged code was made for, as `make package` noted it."""
        noted = self.code / ".python-version"
        return noted.read_text(encoding="utf-8").strip() if noted.exists() else "3.14"

    @property
    def tables(self) -> Mapping[str, str]:
        """The DynamoDB tables to make, each with the first watch that it feeds."""
        found: dict[str, str] = {}
        for watch, table in self.settings.dynamodb.tables.items():
            found.setdefault(table.table, watch)
        return found


def plan_from(context: Mapping[str, str | None]) -> Plan:
    """The plan that `cdk deploy --context config=rtp.yaml` asks for. Raises ValueError for what AWS does not take."""
    config = Path(context.get("config") or default_path())
    return Plan(
        settings=load_settings(config, environ={}, options={}),
        config=config,
        code=Path(context.get("code") or _BUILD / "lambda"),
        consumer_code=Path(context.get("consumer_code") or _BUILD / "consumer"),
        parallelization=int(context.get("parallelization") or 10),
        batch_records=int(context.get("batch_records") or 100),
        tasks=int(context.get("tasks") or 2),
        cache_node=context.get("cache_node") or "cache.t4g.medium",
        database_class=context.get("database_class") or "db.t4g.medium",
    )
