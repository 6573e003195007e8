"""What a load test came to, as one document: printed, written as JSON, drawn as HTML, compared with another."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import SettingsError


class _ResultModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# What rtp runs on, and rtp; the other processes of a run are the load test itself.
_NOT_ITS_OWN = ("rtp", "PostgreSQL", "Redis", "SQS endpoint")


class Criterion(_ResultModel):
    """One thing that is required. `passed` is None where it could not be measured, or does not apply.

    `is_postgres` where it has passed only as measured from the commit: PostgreSQL itself took the rest of the time.
    """

    name: str
    required: str
    measured: str
    passed: bool | None
    is_postgres: bool = False

    @property
    def verdict(self) -> Literal["pass", "FAIL", "–", "PostgreSQL's own"]:
        if self.is_postgres:
            return "PostgreSQL's own"
        return "–" if self.passed is None else "pass" if self.passed else "FAIL"


class Latency(_ResultModel):
    """A stage's latencies in milliseconds; the histogram is upper bounds and counts."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    histogram: list[tuple[float, int]]


class Moment(_ResultModel):
    """One second of the schedule. Lag is per sink, in seconds; CPU is per process, in shares of one."""

    second: int
    offered: int
    written: int
    published: int
    alerts: int
    p50: dict[str, float]
    p99: dict[str, float]
    lag_seconds: dict[str, float]
    cpu: dict[str, float]
    rtp_bytes: int | None


class Incident(_ResultModel):
    """Something that rtp said of itself: a retry, or a circuit breaker that changed."""

    second: float
    what: str
    kind: str


class Received(_ResultModel):
    """What one kind of receiver got of what was written."""

    received: int
    lost: int
    out_of_order: int
    duplicates: int


class RunResult(_ResultModel):
    """A whole run. Everything but `received` is about the measured seconds only, after the warm-up."""

    format: int = 1
    scenario: str
    summary: str
    target: str
    started_at: str
    rate: float
    seconds: float
    warm_up_seconds: int
    machine: dict[str, str]
    written: int
    write_failures: int
    throughput: float | None
    received: dict[str, Received]
    cache_hits: int
    cache_misses: int
    latency_ms: dict[str, Latency]
    criteria: list[Criterion]
    timeline: list[Moment]
    incidents: list[Incident]
    cpu: dict[str, float]
    machine_cpu: float | None
    sessions: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether nothing that could be measured has failed."""
        return all(criterion.passed is not False for criterion in self.criteria)

    @property
    def own_cpu(self) -> dict[str, float]:
        """The CPU that the load test itself took, per process, in shares of one."""
        return {name: share for name, share in self.cpu.items() if name not in _NOT_ITS_OWN}


def read_result(path: Path) -> RunResult:
    """A run's JSON file. Raises SettingsError where it is none."""
    try:
        return RunResult.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise SettingsError(
            f"{path} is not the result of a load test of this version", "rtp loadtest --json writes one"
        ) from error
