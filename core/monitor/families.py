"""Prometheus's metric families: each says once what it is called, what it means and by which labels it is told.

The collectors have them as constants, and give their values; docs/reference/metrics.md is written from the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client.core import Metric

Value: TypeAlias = "tuple[tuple[str, ...], float]"
"""The labels' values, and the metric's."""
Distribution: TypeAlias = "tuple[tuple[str, ...], Sequence[tuple[str, float]], float]"
"""The labels' values, the cumulative buckets, and the sum of all that is in them."""


@dataclass(frozen=True)
class ValueFamily:
    """A metric whose value is a number: a gauge goes up and down, a counter only grows."""

    type: Literal["gauge", "counter"]
    name: str
    meaning: str
    labels: tuple[str, ...]

    def of(self, values: Iterable[Value]) -> Metric:
        """With these values."""
        made_as = GaugeMetricFamily if self.type == "gauge" else CounterMetricFamily
        family = made_as(self.name, self.meaning, labels=self.labels)
        for label_values, value in values:
            family.add_metric(list(label_values), float(value))
        return family

    def by(self, values: Mapping[str, float]) -> Metric:
        """With the values of its one label."""
        return self.of([((of,), value) for of, value in dict(values).items()])

    def alone(self, value: float | None) -> Metric:
        """With its one value; None: it is not known yet."""
        return self.of([] if value is None else [((), value)])


@dataclass(frozen=True)
class HistogramFamily:
    """A metric that counts values by their size."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    type: Literal["histogram"] = "histogram"

    def of(self, distributions: Iterable[Distribution]) -> Metric:
        """With what was counted."""
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        for label_values, counted, total in distributions:
            family.add_metric(label_values, counted, total)
        return family


Family = ValueFamily | HistogramFamily


def gauge(name: str, meaning: str, *labels: str) -> ValueFamily:
    """A value that goes up and down."""
    return ValueFamily("gauge", name, meaning, labels)


def counter(name: str, meaning: str, *labels: str) -> ValueFamily:
    """A count that only grows; its name ends in `_total`."""
    return ValueFamily("counter", name, meaning, labels)


def histogram(name: str, meaning: str, *labels: str) -> HistogramFamily:
    """Counts by size."""
    return HistogramFamily(name, meaning, labels)


def buckets(bounds: Iterable[float], at_most: Callable[[float], int], total: int) -> list[tuple[str, float]]:
    """A histogram's cumulative buckets."""
    return [*((f"{bound:.6g}", float(at_most(bound))) for bound in bounds), ("+Inf", float(total))]
