"""Prometheus's metric families, made in one call each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.core import Metric

Value: TypeAlias = "tuple[tuple[str, ...], float]"
"""The labels' values, and the metric's."""


def gauge(name: str, meaning: str, values: Iterable[Value], labels: Iterable[str] = ()) -> Metric:
    """A value that goes up and down."""
    family = GaugeMetricFamily(name, meaning, labels=list(labels))
    for label_values, value in values:
        family.add_metric(list(label_values), float(value))
    return family


def counter(name: str, meaning: str, values: Iterable[Value], labels: Iterable[str] = ()) -> Metric:
    """A count that only grows; the name is without `_total`."""
    family = CounterMetricFamily(name, meaning, labels=list(labels))
    for label_values, value in values:
        family.add_metric(list(label_values), float(value))
    return family


def gauge_of(name: str, meaning: str, values: Mapping[str, float], label: str) -> Metric:
    """A gauge with one label."""
    return gauge(name, meaning, [((of,), value) for of, value in values.items()], [label])


def buckets(bounds: Iterable[float], at_most: Callable[[float], int], total: int) -> list[tuple[str, float]]:
    """A histogram's cumulative buckets."""
    return [*((f"{bound:.6g}", float(at_most(bound))) for bound in bounds), ("+Inf", float(total))]
