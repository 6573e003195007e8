"""What a run has found, for people and for scripts."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from loadtests.faults.recovery import RecoverySeconds
    from loadtests.shared.arrivals import Arrivals

PAIRS = "two at a time"
PROMPT_SECONDS = 2
_MARKS = ("first", "all", "cache")


@dataclass(frozen=True)
class SinkReport:
    """What arrived at one place."""

    sink: str
    events: int
    lost: int
    reordered: int
    phantoms: int
    duplicates: int


@dataclass
class FaultReport:
    """Filled while a run goes on. `is_clean` is the verdict."""

    seed: int
    planned: int | None = None
    ended_early: str = ""
    seconds: float = 0
    events: int = 0
    rolled_back: int = 0
    sinks: list[SinkReport] = field(default_factory=list)
    cache_wrong: list[str] = field(default_factory=list)
    cache_rebuilt_seconds: float | None = None
    dead_letters: int = 0
    trigger_errors: int = 0
    unreceived: int = 0
    lost_by_endpoint: int = 0
    rtp_starts: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    _recoveries: dict[str, list[RecoverySeconds]] = field(default_factory=lambda: defaultdict(list))
    _injected: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def injected(self) -> int:
        return sum(self._injected.values())

    @property
    def is_clean(self) -> bool:
        """Nothing lost, nothing reordered, nothing invented, and no other problem."""
        wrong = sum(sink.lost + sink.reordered + sink.phantoms for sink in self.sinks)
        return not (wrong or self.cache_wrong or self.dead_letters or self.unreceived or self.problems)

    @property
    def prompt(self) -> int:
        """After how many faults everything was delivered within the time that rtp aims at."""
        return sum(recovery.all_seconds < PROMPT_SECONDS for recovery in self._all_recoveries())

    def note_fault(self, name: str) -> None:
        self._injected[name] += 1

    def note_recovery(self, name: str, recovery: RecoverySeconds) -> None:
        self._recoveries[name].append(recovery)

    def _all_recoveries(self) -> list[RecoverySeconds]:
        return [recovery for recoveries in self._recoveries.values() for recovery in recoveries]

    def add_sink(self, arrivals: Arrivals, committed: Mapping[str, int]) -> None:
        found = arrivals.arrived().completeness(committed)
        self.sinks.append(
            SinkReport(arrivals.place, found.received, found.lost, found.out_of_order, found.phantoms, found.repeated)
        )
        self.problems += arrivals.remarks

    def document(self) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        shown["sinks"] = [asdict(sink) for sink in self.sinks]
        everything = self._all_recoveries()
        faults = {
            name: {"injected": count, **_seconds(self._recoveries.get(name, []))}
            for name, count in self._injected.items()
        }
        return (
            {"is_clean": self.is_clean, "faults_injected": self.injected, **_seconds(everything)}
            | {"recoveries": len(everything), "recoveries_within_2_s": self.prompt}
            | shown
            | {"faults": faults}
        )

    def tables(self) -> RenderableType:
        document = self.document()
        columns = [f"{mark}_{which}" for mark in _MARKS for which in ("p50", "max")]
        titles = [column.replace("_", " ") for column in columns]
        faults = Table("fault", "injected", *titles, title="Recovery, seconds")
        pairs = self._recoveries.get(PAIRS, [])
        rows = list(document["faults"].items())
        rows += [(PAIRS, {"injected": 2 * len(pairs), **_seconds(pairs)})] if pairs else []
        for name, figures in [*rows, ("all", document | {"injected": self.injected})]:
            numbers = [figures[column] for column in columns]
            faults.add_row(name, str(figures["injected"]), *("-" if n is None else f"{n:.2f}" for n in numbers))
        sinks = Table("", "events", "lost", "reordered", "phantoms", "duplicates", title="What arrived")
        for sink in self.sinks:
            counts = (sink.events, sink.lost, sink.reordered, sink.phantoms, sink.duplicates)
            sinks.add_row(sink.sink, *(f"{count:,}" for count in counts))
        return Group(faults, sinks)

    def lines(self) -> list[str]:
        """The rest, and the verdict."""
        rebuilt = self.cache_rebuilt_seconds
        lines = [
            f"{self.injected} faults in {self.seconds:.0f} s, seed {self.seed}; rtp started {self.rtp_starts} times",
            f"after {self.prompt} of {len(self._all_recoveries())} everything was delivered within {PROMPT_SECONDS} s",
            f"{self.events:,} events committed, {self.rolled_back:,} rolled back; dead letters {self.dead_letters},"
            f" trigger errors {self.trigger_errors}; {self.lost_by_endpoint} messages died with the SQS endpoint",
            "cache: "
            + (f"{len(self.cache_wrong)} entries wrong" if self.cache_wrong else "every entry the newest")
            + ("" if rebuilt is None else f"; rebuilt {rebuilt:.2f} s after Redis came back empty"),
            *(f"left out: {name}: {why}" for name, why in self.skipped.items()),
            *(f"PROBLEM: {problem}" for problem in [*self.problems, *self.cache_wrong[:5]]),
        ]
        verdict = "clean" if self.is_clean else "NOT CLEAN"
        if self.ended_early:
            planned = "" if self.planned is None else f" of {self.planned}"
            verdict += f", as far as it went: {self.injected}{planned} faults, then {self.ended_early}"
        return [*lines, verdict]


def _seconds(recoveries: list[RecoverySeconds]) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for mark in _MARKS:
        values = [getattr(recovery, f"{mark}_seconds") for recovery in recoveries]
        figures[f"{mark}_p50"] = round(statistics.median(values), 3) if values else None
        figures[f"{mark}_max"] = round(max(values), 3) if values else None
    return figures
