"""Values drawn with characters: a line of blocks, or a plot of dots over time."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
# The bit of each dot of a Braille character: four rows of two columns.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_ACROSS, _DOWN = 2, 4


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values, one a cell, from the lowest to the highest of them; nothing where there are not two."""
    shown = values[-width:]
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    size, steps = high - low, len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value - low) / size * steps) if size else steps // 2] for value in shown)


def plot(points: Sequence[tuple[float, float]], width: int, height: int, *, end: float | None = None) -> list[str]:
    """Lines of dots for (time, value) in the order of time: a value stays until the next one, the last until `end`.

    The highest value is on the first line, the lowest on the last.
    """
    if not points or width < 1 or height < 1:
        return [" " * max(width, 0)] * max(height, 0)
    rows = _rows(points, width * _ACROSS, height * _DOWN, end)
    cells = [[0] * width for _ in range(height)]
    before = rows[0]
    for x, row in enumerate(rows):
        # A step is drawn as the line between both its values.
        for y in range(min(before, row), max(before, row) + 1):
            cells[y // _DOWN][x // _ACROSS] |= _DOTS[y % _DOWN][x % _ACROSS]
        before = row
    return ["".join(chr(_BRAILLE + dots) for dots in line) for line in cells]


def _rows(points: Sequence[tuple[float, float]], columns: int, rows: int, end: float | None) -> list[int]:
    """For each column of dots, in which row the value of its time is."""
    times, values = [at for at, _ in points], [value for _, value in points]
    start, low, high = times[0], min(values), max(values)
    duration = max((times[-1] if end is None else max(end, times[-1])) - start, 0.0)
    size = high - low

    def row(value: float) -> int:
        return round((high - value) / size * (rows - 1)) if size else rows // 2

    moments = (start + duration * column / max(columns - 1, 1) for column in range(columns))
    return [row(values[max(bisect_right(times, moment) - 1, 0)]) for moment in moments]
