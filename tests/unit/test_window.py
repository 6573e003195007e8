"""How far a window of the log reaches, and where the cursor stands behind it."""

from __future__ import annotations

import pytest

from core.log.cursor import Cursor
from core.log.window import IdlessTransactions, RecentCursors, open_window, resume_window

FROM = Cursor("90:95:90", floor_id=7)


def test_transactions_above_the_snapshot_that_may_be_in_progress_are_named() -> None:
    assert open_window("100:105:100,102", 2, after=FROM, last_id_before=0).snapshot == "100:107:100,102,105,106"


def test_a_snapshot_with_too_many_to_name_is_not_sharp() -> None:
    assert not open_window("100:105:100", 1001, after=FROM, last_id_before=0).is_sharp


def test_what_was_named_before_stays_named_where_there_are_too_many_to_name() -> None:
    assert open_window("90:93:90", 1001, after=FROM, last_id_before=0).snapshot == "90:95:90,93,94"


def test_a_full_chunk_leaves_the_window_open_behind_its_last_row() -> None:
    window = open_window("100:105:", 0, after=FROM, last_id_before=0)
    assert window.cursor_behind(FROM, 9, is_full=True) == Cursor("90:95:90", "100:105:", 9, 7)


@pytest.mark.parametrize(("last_id", "last_id_before", "floor_id"), [(9, 5, 9), (9, 20, 20), (0, 0, 7)])
def test_the_end_of_a_sharp_window_raises_the_floor(last_id: int, last_id_before: int, floor_id: int) -> None:
    window = open_window("100:105:", 0, after=FROM, last_id_before=last_id_before)
    assert window.cursor_behind(FROM, last_id, is_full=False) == Cursor("100:105:", floor_id=floor_id)


@pytest.mark.parametrize("is_resumed", [True, False])
def test_the_end_of_a_window_that_is_not_known_to_be_sharp_leaves_the_floor(is_resumed: bool) -> None:
    saved = Cursor("90:95:90", "100:105:", 8, 7)
    window = resume_window(saved) if is_resumed else open_window("100:105:", 1001, after=saved, last_id_before=50)
    assert window.cursor_behind(saved, 9, is_full=False) == Cursor("100:105:", floor_id=7)


# An id below all that the next window holds


def recent(*cursors: Cursor) -> RecentCursors:
    been = RecentCursors()
    for cursor in cursors:
        been.note(cursor)
    return been


def test_without_stragglers_all_is_above_the_cursors_own_floor() -> None:
    assert recent().low_id(Cursor("95:95:", floor_id=7)) == 7


def test_a_straggler_is_above_the_floor_of_the_newest_cursor_that_it_began_after() -> None:
    been = recent(Cursor("80:80:", floor_id=3), Cursor("88:90:88", floor_id=5), Cursor("90:91:90", floor_id=6))
    assert been.low_id(Cursor("90:95:90", floor_id=7)) == 5


def test_a_straggler_that_began_before_all_known_cursors_may_be_anywhere() -> None:
    assert recent(Cursor("85:91:85", floor_id=6)).low_id(Cursor("90:95:90", floor_id=7)) is None


def test_a_cursor_inside_a_window_tells_nothing_of_later_ones() -> None:
    assert recent(Cursor("80:80:", "85:85:", 6, 3)).low_id(Cursor("90:95:90", floor_id=7)) is None


def test_what_was_read_of_a_window_is_below_the_rest_of_it() -> None:
    assert recent(Cursor("80:80:", floor_id=3)).low_id(Cursor("90:95:90", "95:95:", 9, 7)) == 9


def test_a_floor_far_below_the_cursor_is_not_used() -> None:
    assert recent(Cursor("80:80:", floor_id=3)).low_id(Cursor("90:95:90", floor_id=5000)) is None


# Transactions that have drawn no id

NAMED = "90:99:90,95,97"


def idless_after(*looks: tuple[int, int]) -> IdlessTransactions:
    """After looks at the next transaction, and then at the newest id."""
    idless = IdlessTransactions()
    for xmax, newest_id in looks:
        idless.note(open_window(f"90:{xmax}:90", 0, after=FROM, last_id_before=0), newest_id)
    return idless


@pytest.mark.parametrize(
    ("looks", "left"),
    [
        ([(95, 7)], NAMED),
        ([(95, 7), (96, 8)], NAMED),
        ([(95, 7), (97, 7)], "90:99:90,95"),
        ([(95, 7), (97, 7), (99, 7)], "90:99:90,95"),
        ([(95, 7), (97, 7), (98, 8)], NAMED),
        ([(95, 0)], "90:99:90"),
    ],
    ids=["it may have been drawn since", "drawn", "none since the look before", "for ever", "drawn again", "none ever"],
)
def test_who_began_since_a_look_has_no_id_while_none_is_drawn(looks: list[tuple[int, int]], left: str) -> None:
    assert idless_after(*looks).left_out_of(NAMED) == left
