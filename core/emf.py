"""Figures for CloudWatch, as log lines in its embedded metric format: CloudWatch Logs makes metrics of them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from core.settings.models import EmfSettings

_MOST_METRICS = 100  # of one line, as the format has it
Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figure:
    """A value of a metric. `dimensions` say of what it is: a queue, a sink. Of a gauge only the last value counts."""

    name: str
    value: float
    unit: Literal["Count", "Seconds"] = "Count"
    dimensions: Dimensions = ()
    is_gauge: bool = False


@dataclass(frozen=True)
class CloudWatchMetric:
    """A metric as rtp tells it to CloudWatch: docs/reference/metrics.md is written from these."""

    name: str
    meaning: str
    dimension: str | None = None
    unit: Literal["Count", "Seconds"] = "Count"
    is_gauge: bool = False

    def of(self, value: float, named: str | None = None) -> Figure:
        """A value of it, and of which queue, sink or other dimension."""
        dimensions = () if self.dimension is None or named is None else ((self.dimension, named),)
        return Figure(self.name, value, self.unit, dimensions, self.is_gauge)


class EmfLog:
    """Writes figures once per interval: counts added up, gauges as they were last. Not thread-safe.

    A line for each batch of a stream would cost more in CloudWatch Logs than the batches themselves.
    """

    def __init__(
        self,
        namespace: str,
        write: Callable[[str], None],
        *,
        interval_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._namespace = namespace
        self._write = write
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._due = 0.0
        self._noted: dict[tuple[str, Dimensions], Figure] = {}

    @property
    def is_due(self) -> bool:
        """Whether the interval is over."""
        return self._clock() >= self._due

    def note(self, figures: Iterable[Figure], *, at_once: bool = False) -> None:
        """Take figures, and write all that were taken where it is time, or where somebody should know `at_once`."""
        for figure in figures:
            place = (figure.name, figure.dimensions)
            self._noted[place] = _together(self._noted.get(place), figure)
        if at_once or self.is_due:
            now = self._clock()
            for line in emf_lines(self._namespace, self._noted.values(), now):
                self._write(line)
            self._noted.clear()
            self._due = now + self._interval_seconds


def _together(before: Figure | None, figure: Figure) -> Figure:
    if before is None or figure.is_gauge:
        return figure
    return replace(figure, value=before.value + figure.value)


def emf_log(settings: EmfSettings, write: Callable[[str], None]) -> EmfLog | None:
    """The log that the settings ask for, if they do."""
    if settings.namespace is None:
        return None
    return EmfLog(settings.namespace, write, interval_seconds=settings.interval_seconds)


def emf_lines(namespace: str, figures: Iterable[Figure], at: float) -> Iterator[str]:
    """The figures as JSON documents, one for each set of dimensions: a document gives each of its names one value."""
    found: dict[Dimensions, list[Figure]] = {}
    for figure in figures:
        found.setdefault(figure.dimensions, []).append(figure)
    for dimensions, members in found.items():
        for start in range(0, len(members), _MOST_METRICS):
            portion = members[start : start + _MOST_METRICS]
            yield json.dumps(_document(namespace, dict(dimensions), portion, at), separators=(",", ":"))


def _document(namespace: str, dimensions: dict[str, str], figures: list[Figure], at: float) -> dict[str, Any]:
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions), []] if dimensions else [[]],  # of each, and of all together
        "Metrics": [{"Name": figure.name, "Unit": figure.unit} for figure in figures],
    }
    head = {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": head, **dimensions, **{figure.name: figure.value for figure in figures}}
