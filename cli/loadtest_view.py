"""How a load test looks while it runs, and what it came to, as tables."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli.output import err, out
from cli.tables import new_table, whole
from loadtests.scenarios.results.criteria import POSTGRES_OWN
from loadtests.scenarios.results.stages import CLOCKS, STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from loadtests.scenarios.limit import Limit
    from loadtests.scenarios.load import Load
    from loadtests.scenarios.results.comparison import Difference
    from loadtests.scenarios.results.result import Criterion, RunResult
    from loadtests.scenarios.run import RunProgress

_LINE_EVERY_SECONDS = 5
_STYLES = {True: "green", False: "bold red", None: "dim"}
_CHANGES = {"better": "green", "worse": "red", "same": "dim"}


class ProgressView:
    """A bar on a terminal, elsewhere a line every few seconds."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=err, transient=True
        )
        self._task: TaskID | None = None
        self._printed_at = 0.0

    def __enter__(self) -> Self:
        title = f"{self._load.scenario.name} at {self._load.rate:,.0f} rows/s"
        if err.is_terminal:
            self._bar.start()
            self._task = self._bar.add_task(f"{title}: starting", total=self._load.total_seconds)
        else:
            err.print(f"{title} for {self._load.seconds:g} s, after {self._load.warm_up_seconds} s of warm-up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: RunProgress) -> None:
        """Show how far it is."""
        line = _progress_line(progress)
        if self._task is not None:
            self._bar.update(self._task, completed=progress.second, description=line)
        elif time.monotonic() - self._printed_at >= _LINE_EVERY_SECONDS:
            self._printed_at = time.monotonic()
            err.print(f"{max(0.0, progress.second):5.0f} s  {line}", soft_wrap=True)


def print_result(result: RunResult) -> None:
    """The criteria, then the stages' latencies, then what took the CPU."""
    _print_criteria(result.criteria)
    rows = [
        (STAGES[stage], *(f"{value:,.2f}" for value in (found.p50, found.p90, found.p99, found.max)))
        for stage in STAGES
        if (found := result.latency_ms.get(stage))
    ]
    out.print(new_table("Latency in milliseconds", "stage", "p50", "p90", "p99", "max", rows=rows))
    if "pubsub from commit" in result.latency_ms:
        for clock, what in CLOCKS.items():
            out.print(f"{clock}: {what}", style="dim", markup=False, soft_wrap=True)
    if result.cpu:
        out.print(_cpu_line(result), soft_wrap=True)
    for incident in result.incidents[:5]:
        out.print(f"at {incident.second:.1f} s: {incident.what}", markup=False, soft_wrap=True)
    if len(result.incidents) > 5:
        out.print(f"and {len(result.incidents) - 5:,} more retries and changes of circuit breakers")
    verdict, style = ("passed", "green") if result.passed else ("failed", "bold red")
    busy = f"; the machine's CPUs were {result.machine_cpu:.0%} busy" if result.machine_cpu is not None else ""
    out.print(Text.assemble("\nThe load test ", (verdict, style), busy, "."))


def print_limit(limit: Limit) -> None:
    """The highest rate that passed, and what held up more."""
    if limit.failed is None or limit.saturation is None:
        assert limit.passed is not None
        out.print(f"No limit found: {limit.passed.rate:,.0f} rows/s, the highest rate tried, passes.")
        return
    _print_criteria(limit.failed.criteria, f"At {limit.failed.rate:,.0f} rows/s, where it fails")
    held = f"{limit.passed.rate:,.0f} rows/s" if limit.passed else "below the first rate tried"
    out.print(Text.assemble("\nLimit: ", (held, "bold"), f"; {limit.failed.rate:,.0f} rows/s fails."))
    out.print(Text.assemble("Saturates first: ", (limit.saturation.part, "bold")))
    out.print(f"Because: {limit.saturation.evidence}.", markup=False, soft_wrap=True)


def print_comparison(differences: Sequence[Difference], remarks: Sequence[str]) -> None:
    """Before and after, figure by figure."""
    for remark in remarks:
        out.print(f"Not alike: {remark}", style="yellow", markup=False, soft_wrap=True)
    table = new_table("After against before (10 % either way counts as the same)", rows=())
    for header in ("", "before", "after", "ratio", ""):
        table.add_column(header, header_style="dim", justify="left" if not header else "right")
    for one in differences:
        ratio = "–" if one.ratio is None else f"{one.ratio:.2f}"
        verdict = Text(one.verdict, style=_CHANGES[one.verdict])
        table.add_row(one.name, f"{one.before:,.2f}", f"{one.after:,.2f}", ratio, verdict)
    out.print(table)


def _print_criteria(criteria: Sequence[Criterion], title: str = "Criteria") -> None:
    rows = [(one.name, one.required, whole(one.measured), Text(one.verdict, _STYLES[one.passed])) for one in criteria]
    out.print(new_table(title, "criterion", "required", "measured", "", rows=rows))
    if any(one.is_postgres for one in criteria):
        out.print(POSTGRES_OWN, soft_wrap=True)


def _cpu_line(result: RunResult) -> str:
    own = result.own_cpu
    others = [f"{name} {share:.2f}" for name, share in _dearest_first(result.cpu) if name not in own]
    parts = ", ".join(f"{name} {share:.2f}" for name, share in _dearest_first(own))
    return f"CPU, shares of one: {', '.join(others)}, the load test itself {sum(own.values()):.2f} ({parts})"


def _dearest_first(cpu: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(cpu.items(), key=lambda item: -item[1])


def _progress_line(progress: RunProgress) -> str:
    parts = [f"{progress.written:,} of {progress.offered:,} rows written", f"{progress.published:,} published"]
    if progress.alerts is not None:
        parts.append(f"{progress.alerts:,} alerts")
    if progress.p99_ms is not None and progress.p50_ms is not None:
        parts.append(f"p50 {progress.p50_ms:.1f} ms, p99 {progress.p99_ms:.1f} ms")
    return ", ".join(parts)
