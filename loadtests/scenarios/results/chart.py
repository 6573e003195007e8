"""Charts as inline SVG: small functions from numbers to text, no library, nothing loaded from elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Small enough that the text is readable on a phone, where a chart is about as wide as this in pixels.
WIDTH, HEIGHT = 400, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 8, 8, 24


@dataclass(frozen=True)
class Series:
    """One line: its name, its style (a class in the page's CSS), and its points."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class VerticalLine:
    """A moment worth a vertical line."""

    at: float
    style: str


@dataclass(frozen=True)
class Scale:
    """From values to pixels, with the values that are written at the axis."""

    to_pixel: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def line_chart(
    series: Sequence[Series],
    *,
    unit: str,
    is_log: bool = False,
    limit: float | None = None,
    marks: Iterable[VerticalLine] = (),
    shaded_until: float = 0,
) -> str:
    """Lines over seconds."""
    values = [y for one in series for _, y in one.points] + ([limit] if limit else [])
    times = [x for one in series for x, _ in one.points]
    if not times:
        return _nothing()
    x = _linear(min(times), max(times), _LEFT, WIDTH - _RIGHT, "s")
    y = _log(values, unit) if is_log else _linear(0, max(values), HEIGHT - _BOTTOM, _TOP, unit)
    body = [_axes(x, y)]
    if shaded_until > min(times):
        body.append(_rect(_LEFT, _TOP, x.to_pixel(shaded_until) - _LEFT, HEIGHT - _TOP - _BOTTOM, "warmup"))
    for mark in marks:
        at = f"{x.to_pixel(mark.at):.1f}"
        body.append(f'<line class="{mark.style}" x1="{at}" x2="{at}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
    if limit:
        at = f"{y.to_pixel(limit):.1f}"
        body.append(f'<line class="limit" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
    for one in series:
        path = " ".join(f"{x.to_pixel(px):.1f},{y.to_pixel(py):.1f}" for px, py in one.points)
        body.append(f'<polyline class="line {one.style}" points="{path}"/>')
    return _svg(body) + legend([(one.name, one.style) for one in series])


def histogram_chart(named: Mapping[str, tuple[str, Sequence[tuple[float, int]]]]) -> str:
    """Shares per bucket over milliseconds, both kinds over one another: name to style and buckets."""
    uppers = [upper for _, buckets in named.values() for upper, _ in buckets]
    if not uppers:
        return _nothing()
    x = _log_between(min(uppers) / 1.3, max(uppers) * 1.1, _LEFT, WIDTH - _RIGHT, "ms")
    shares = {
        name: [(upper, found / max(1, sum(count for _, count in buckets))) for upper, found in buckets]
        for name, (_, buckets) in named.items()
    }
    y = _linear(0, max(share for one in shares.values() for _, share in one) * 100, HEIGHT - _BOTTOM, _TOP, "%")
    body = [_axes(x, y)]
    for name, (style, _) in named.items():
        for upper, share in shares[name]:
            right, left = x.to_pixel(upper), max(_LEFT, x.to_pixel(upper / 10 ** (1 / 20)))
            top = y.to_pixel(share * 100)
            body.append(_rect(left, top, right - left - 0.5, HEIGHT - _BOTTOM - top, f"bar {style}"))
    return _svg(body) + legend([(name, style) for name, (style, _) in named.items()])


def bars(values: Mapping[str, float], text: Callable[[float], str], full: float = 1) -> str:
    """Horizontal bars as HTML, which wraps and scales with the page's text."""
    rows = [
        f'<div class="row"><span>{escape(name)}</span>'
        f'<span class="track"><i style="width:{min(100, value / full * 100):.1f}%"></i></span>'
        f"<b>{escape(text(value))}</b></div>"
        for name, value in sorted(values.items(), key=lambda item: -item[1])
    ]
    return f'<div class="bars">{"".join(rows)}</div>' if rows else _nothing()


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """What each colour stands for."""
    return '<p class="legend">' + "".join(f'<span><i class="{s}"></i>{escape(n)}</span>' for n, s in entries) + "</p>"


def _nothing() -> str:
    return '<p class="none">not measured</p>'


def _svg(body: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(body)}</svg>'


def _rect(left: float, top: float, width: float, height: float, style: str) -> str:
    size = f'width="{max(0, width):.1f}" height="{max(0, height):.1f}"'
    return f'<rect class="{style}" x="{left:.1f}" y="{top:.1f}" {size}/>'


def _axes(x: Scale, y: Scale) -> str:
    parts = []
    for value, label in y.ticks:
        at = y.to_pixel(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{at + 3:.1f}" text-anchor="end">{label}</text>')
    for value, label in x.ticks:
        at = x.to_pixel(value)
        anchor = "end" if at > WIDTH - 20 else "middle"
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
    return "".join(parts)


def _linear(low: float, high: float, first: float, last: float, unit: str) -> Scale:
    step = _round_step((high - low) / 4)
    high = max(high, low + step)
    ticks = [(low + step * n, f"{_short(low + step * n)} {unit}") for n in range(int((high - low) / step + 1e-9) + 1)]
    return Scale(lambda value: first + (value - low) / (high - low) * (last - first), ticks)


def _log(values: Iterable[float], unit: str) -> Scale:
    found = [value for value in values if value > 0] or [1]
    return _log_between(min(found) / 1.2, max(found) * 1.2, HEIGHT - _BOTTOM, _TOP, unit)


def _log_between(low: float, high: float, first: float, last: float, unit: str) -> Scale:
    span = math.log(high / low)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 2 else (1, 2, 5)
    found = [10.0**decade * step for decade in decades for step in steps]
    ticks = [(value, f"{_short(value)} {unit}") for value in found if low <= value <= high]
    return Scale(lambda value: first + math.log(max(value, low) / low) / span * (last - first), ticks)


def _round_step(rough: float) -> float:
    if rough <= 0:
        return 1
    size = 10.0 ** math.floor(math.log10(rough))
    return next(size * step for step in (1, 2, 2.5, 5, 10) if size * step >= rough * 0.999)


def _short(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:.3g}"
