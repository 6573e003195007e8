"""Percentiles of measured times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SHARES = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that `share` (0..1) of them do not exceed; None without any."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def percentiles_ms(
    prefix: str, seconds: Iterable[float], shares: Iterable[tuple[str, float]] = SHARES
) -> dict[str, float]:
    """Of times in seconds, in milliseconds, under names like `<prefix>p50_ms`. Without any times, without figures."""
    ordered = sorted(seconds)
    found = ((name, percentile(ordered, share)) for name, share in shares)
    return {f"{prefix}{name}_ms": round(value * 1000, 2) for name, value in found if value is not None}
