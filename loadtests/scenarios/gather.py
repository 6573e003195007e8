"""From everything that was recorded to one result."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadtests.scenarios.results.criteria import Evidence, judge
from loadtests.scenarios.results.result import Latency, Moment, Received, RunResult
from loadtests.scenarios.schedule import due_times
from loadtests.shared.latency_buckets import histogram, percentile
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.scenarios.load import Load
    from loadtests.scenarios.observer import Observer
    from loadtests.scenarios.processes.tick import Timeline
    from loadtests.scenarios.recording import Recording
    from loadtests.scenarios.target import Target
    from loadtests.shared.arrivals import Arrived

_DRAWN = ("pubsub", "sqs", "db", "detect", "process")


def gather(
    recording: Recording, target: Target, load: Load, observer: Observer, facts: dict[str, str], started_at: float
) -> RunResult:
    """The run's result, judged."""
    timeline, first, end = recording.timeline, load.warm_up_seconds, load.total_seconds
    latency_ms = {
        stage: latency
        for stage in sorted(timeline.latencies)
        if (latency := _latency(timeline.stage(stage, first, end))) is not None
    }
    received = {name: _received(arrived, recording.written) for name, arrived in sorted(recording.arrived.items())}
    hits, misses = timeline.total("cache hit", first), timeline.total("cache miss", first)
    moments = _moments(timeline, load, observer)
    measured = [moment for moment in moments if moment.second >= first]
    throughput = _throughput(timeline.counts.get("pubsub", {}), first, end)
    offered = sum(moment.offered for moment in measured if moment.second < end) / load.seconds
    evidence = Evidence(
        offered,
        load.scenario.end_to_end_ms,
        latency_ms,
        throughput,
        received,
        hits,
        misses,
        load.scenario.watches_drift,
        [moment.rtp_bytes for moment in measured if moment.rtp_bytes],
        [moment.p99["pubsub"] for moment in measured if "pubsub" in moment.p99],
    )
    machine = [share for second, share in observer.machine.items() if first < second < end]
    return RunResult(
        scenario=load.scenario.name,
        summary=load.scenario.summary,
        target=target.name,
        started_at=format_time(datetime.fromtimestamp(started_at, UTC)),
        rate=load.rate,
        seconds=load.seconds,
        warm_up_seconds=load.warm_up_seconds,
        machine=facts,
        written=sum(recording.written.values()),
        write_failures=timeline.total("write failed"),
        throughput=throughput,
        received=received,
        cache_hits=hits,
        cache_misses=misses,
        latency_ms=latency_ms,
        criteria=judge(evidence),
        timeline=moments,
        incidents=observer.incidents,
        cpu=observer.mean_cpu(first, end),
        machine_cpu=round(sum(machine) / len(machine), 3) if machine else None,
        sessions=observer.mean_sessions(),
    )


def _latency(counts: Counter[int]) -> Latency | None:
    if not counts:
        return None
    p50, p90, p99, p999, most = (round(percentile(counts, share) or 0, 3) for share in (0.5, 0.9, 0.99, 0.999, 1))
    wide = [(round(upper, 4), found) for upper, found in histogram(counts)]
    return Latency(count=counts.total(), p50=p50, p90=p90, p99=p99, p999=p999, max=most, histogram=wide)


def _received(arrived: Arrived, written: Mapping[str, int]) -> Received:
    found = arrived.completeness(written)
    return Received(
        received=found.received, lost=found.lost, out_of_order=found.out_of_order, duplicates=found.repeated
    )


def _throughput(by_second: Mapping[int, int], first: int, end: float) -> float | None:
    """Events received per second of the measured time, by when they were received: what comes after does not count."""
    found = [number for second, number in by_second.items() if first <= second < end]
    return sum(found) / (end - first) if found else None


def _moments(timeline: Timeline, load: Load, observer: Observer) -> list[Moment]:
    due: dict[int, int] = {}
    for offset in due_times(load.scenario, load.rate, load.total_seconds, 0, 1):
        due[int(offset)] = due.get(int(offset), 0) + load.scenario.rows_per_write
    found = {name: timeline.counts.get(name, Counter()) for name in ("written", "pubsub", "sqs")}
    last = max([int(load.total_seconds) - 1, *found["pubsub"], *found["sqs"]])
    return [
        Moment(
            second=second,
            offered=due.get(second, 0),
            written=found["written"][second],
            published=found["pubsub"][second],
            alerts=found["sqs"][second],
            p50=_at(timeline, second, 0.5),
            p99=_at(timeline, second, 0.99),
            lag_seconds=observer.lags.get(second, {}),
            cpu=observer.cpu.get(second, {}),
            rtp_bytes=observer.memory.get(second),
        )
        for second in range(last + 1)
    ]


def _at(timeline: Timeline, second: int, share: float) -> dict[str, float]:
    found = {stage: percentile(timeline.latencies.get(stage, {}).get(second, {}), share) for stage in _DRAWN}
    return {stage: round(value, 3) for stage, value in found.items() if value is not None}
