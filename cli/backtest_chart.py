"""An entity's values with its events over them, as inline SVG that loads nothing."""

from __future__ import annotations

import math
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from core.detection.report import amount_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.detection.series import DrawnSeries, Mark

_WIDTH, _HEIGHT, _LANE = 900, 260, 18
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 10, 10, 22
_TIMES, _VALUES = 5, 4
_SECOND = timedelta(seconds=1)


class _Scales(NamedTuple):
    first: datetime
    seconds: float
    low: float
    high: float

    def x(self, at: datetime) -> float:
        return _LEFT + (at - self.first).total_seconds() / self.seconds * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return _HEIGHT - share * (_HEIGHT - _TOP)


def chart(series: DrawnSeries) -> str:
    """The picture of an entity; below it a lane of ticks for each set of rules, whose events are dots for the first."""
    if len(series.points) < 2:
        return '<p class="note">too few values to draw</p>'
    scales = _scales(series)
    height = _HEIGHT + _LANE * len(series.marks) + _BOTTOM
    words = ["events"] if len(series.marks) == 1 else ["new", "old"]
    lanes = [
        _lane(scales, place, word, marks) for place, (word, marks) in enumerate(zip(words, series.marks, strict=True))
    ]
    dots = [_dot(scales, mark) for mark in series.marks[0]]
    body = [*_axes(scales, height), _line(scales, series), *lanes, *dots]
    label = escape(f"{'/'.join(series.key)}: values and events")
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{"".join(body)}</svg>'


def _scales(series: DrawnSeries) -> _Scales:
    points = series.points
    low, high = min(point.low for point in points), max(point.high for point in points)
    room = (high / 20 - low / 20) or abs(high) / 100 or 1
    ends = [points[-1].at, *(mark.at for marks in series.marks for mark in marks)]
    seconds = (max(ends) - points[0].at).total_seconds() or 1
    return _Scales(points[0].at, seconds, low - room, high + room)


def _line(scales: _Scales, series: DrawnSeries) -> str:
    """From the lowest to the highest value of each point: where points are thinned out, that is a band."""
    path = []
    for point in series.points:
        x = f"{scales.x(point.at):.1f}"
        path += [f"{x},{scales.y(value):.1f}" for value in dict.fromkeys((point.low, point.high))]
    return f'<polyline class="line" points="{" ".join(path)}"/>'


def _lane(scales: _Scales, place: int, word: str, marks: Sequence[Mark]) -> str:
    top = _HEIGHT + _LANE * place + 4
    ticks = "".join(
        f'<path class="{mark.severity}" d="M{scales.x(mark.at):.1f} {top}v{_LANE - 6}">{_title(mark)}</path>'
        for mark in marks
    )
    name = f'<text x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{word}</text>'
    return name + ticks


def _dot(scales: _Scales, mark: Mark) -> str:
    if mark.value is None or not math.isfinite(float(mark.value)):
        return ""
    y = min(max(scales.y(float(mark.value)), _TOP), _HEIGHT)
    return f'<circle class="{mark.severity}" cx="{scales.x(mark.at):.1f}" cy="{y:.1f}" r="4">{_title(mark)}</circle>'


def _title(mark: Mark) -> str:
    what = f"{mark.at:%Y-%m-%d %H:%M:%S} UTC, {mark.reason}, {mark.severity}: {amount_text(mark.value) or 'null'}"
    return f"<title>{escape(what)}</title>"


def _axes(scales: _Scales, height: float) -> list[str]:
    parts = []
    for step in range(_VALUES + 1):
        value = scales.low + (scales.high / _VALUES - scales.low / _VALUES) * step
        y = scales.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.5g}</text>')
    for step in range(_TIMES + 1):
        at = scales.first + (scales.seconds / _TIMES * step) * _SECOND
        anchor = "start" if step == 0 else "end" if step == _TIMES else "middle"
        parts.append(f'<text x="{scales.x(at):.1f}" y="{height - 6}" text-anchor="{anchor}">{at:%Y-%m-%d %H:%M}</text>')
    return parts
