"""What a watch that has fallen behind has still to be judged: piece by piece, each entity by entity.

A piece is what one look over the log finds of the watch. It is gathered read by read, while the front goes on between
them, then put in order and judged in portions. Where the cursor was saved within a piece, the same piece is gathered
again: its window and its end are in the cursor. A watch that is nearly at the front gets there with a single read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from core.judging.judge_cursor import JudgeCursor, JudgedSample
from core.judging.portion import Portion, in_judging_order, renaming_watches
from core.log.cursor import Cursor
from core.log.position import OF_STRAGGLERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from core.judging.sample import SampleRow
    from core.judging.sample_windows import Limits, SampleWindows, Values


@dataclass
class _Piece:
    """Samples up to `end_id` of the window that `within` stands in; once they are judged, the cursor is `behind`."""

    within: Cursor
    end_id: int
    behind: Cursor
    is_history: bool
    rows: list[SampleRow] = field(default_factory=list)
    is_gathered: bool = False
    judged: int = 0


class Backlog:
    """One watch that is behind, and how far it is judged. Not thread-safe."""

    def __init__(self, watch: int, cursor: JudgeCursor, histories: Collection[int]) -> None:
        self.cursor = cursor
        self._watch = watch
        self._histories = histories
        self._piece: _Piece | None = None
        self._window_end: Cursor | None = None

    @property
    def is_between_pieces(self) -> bool:
        """Whether it holds no samples in memory: another watch may have its turn."""
        return self._piece is None

    def read(self, windows: SampleWindows, front: Cursor) -> Portion | None:
        """Go on by one read, or with what is in memory; None where that brought nothing to judge yet."""
        piece = self._piece = self._piece or self._next_piece(windows, front)
        if piece is None:
            return None
        if not piece.is_gathered:
            self._gather(windows, piece)
        if not piece.is_gathered:
            return None
        if piece.judged == len(piece.rows):  # all of it was judged when the cursor was saved
            self._move_to(JudgeCursor(piece.behind))
            return None
        return self._portion(piece, windows.limits)

    def passed(self, portion: Portion) -> None:
        """A portion is judged."""
        if self._piece is not None:
            self._piece.judged += len(portion.rows)
        self._move_to(portion.cursor)

    def _move_to(self, cursor: JudgeCursor) -> None:
        self.cursor = cursor
        if cursor.piece_end is None:
            self._piece = None
        if cursor.cursor.until is None:
            self._window_end = None

    def _next_piece(self, windows: SampleWindows, front: Cursor) -> _Piece | None:
        """The next piece; None where the next part of the log has nothing of the watch, and the cursor has moved on."""
        within, is_history = self.cursor.cursor, self._watch in self._histories
        if self.cursor.piece_end is not None:
            if self.cursor.judged is not None:  # the rest comes in the same order, whatever became of the watch since
                is_history = self.cursor.judged.at is not None
            behind = replace(within, after_id=self.cursor.piece_end)
            return _Piece(within, self.cursor.piece_end, behind, is_history)
        if within.until is None:
            within = replace(within, until=front.snapshot)
        if self._window_end is None:
            # Where the front has stood, its floor is known; elsewhere the floor just stays.
            is_known = within.until == front.snapshot
            self._window_end = front if is_known else Cursor(within.until or "", floor_id=within.floor_id)
        counts = windows.count(OF_STRAGGLERS, _values(within))[1]
        behind = replace(within, after_id=counts.last_id) if counts.is_full else self._window_end
        if self._watch not in counts.of_watch:
            self._move_to(JudgeCursor(behind))
            return None
        return _Piece(within, counts.last_id, behind, is_history)

    def _gather(self, windows: SampleWindows, piece: _Piece) -> None:
        after_id = piece.rows[-1].id if piece.rows else piece.within.after_id
        values = _values(replace(piece.within, after_id=after_id))
        limit = windows.limits.rows
        rows = windows.read(OF_STRAGGLERS, values, only=self._watch, through_id=piece.end_id, limit=limit)[1]
        piece.rows += rows
        piece.is_gathered = len(rows) < limit
        if piece.is_gathered:
            judged = self.cursor.judged
            ordered = in_judging_order(piece.rows, [self._watch] if piece.is_history else [])
            piece.rows = [row for row in ordered if judged is None or not judged.is_at_or_behind(row)]

    def _portion(self, piece: _Piece, limits: Limits) -> Portion:
        size = limits.rows if len(piece.rows) < limits.rows else limits.portion
        if renaming_watches(piece.rows):  # in an order that no cursor within a piece can tell
            size = len(piece.rows)
        rows = piece.rows[piece.judged : piece.judged + size]
        if piece.judged + size >= len(piece.rows):
            return Portion(rows, self._watch, JudgeCursor(piece.behind))
        last = rows[-1]
        at = last.sampled_at if piece.is_history else None
        judged = JudgedSample(last.chain, last.entity, at, last.id)
        return Portion(rows, self._watch, JudgeCursor(piece.within, piece.end_id, judged))


def _values(cursor: Cursor) -> Values:
    return {**vars(cursor), "low_id": None}
