"""What an `AWS::Lambda::EventSourceMapping` of a synthesised template asks of Lambda."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class MappingParameters:
    """A mapping's parameters; the defaults are Lambda's own. None: without a limit."""

    batch_records: int = 100
    window_seconds: float = 0
    factor: int = 1
    most_retries: int | None = None
    oldest_seconds: float | None = None
    bisects: bool = False
    reports_failures: bool = False
    patterns: Sequence[str] = ()


def read_parameters(properties: Mapping[str, Any]) -> MappingParameters:
    """The parameters in a resource's properties."""
    filters = properties.get("FilterCriteria", {}).get("Filters", ())
    return MappingParameters(
        batch_records=properties.get("BatchSize", 100),
        window_seconds=properties.get("MaximumBatchingWindowInSeconds", 0),
        factor=properties.get("ParallelizationFactor", 1),
        most_retries=_limit(properties.get("MaximumRetryAttempts", -1)),
        oldest_seconds=_limit(properties.get("MaximumRecordAgeInSeconds", -1)),
        bisects=properties.get("BisectBatchOnFunctionError", False),
        reports_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", ()),
        patterns=tuple(one["Pattern"] for one in filters),
    )


def _limit(number: int) -> int | None:
    return None if number == -1 else number
