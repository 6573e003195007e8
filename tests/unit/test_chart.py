"""Values drawn with characters."""

from __future__ import annotations

from cli.chart import plot, sparkline


def test_a_sparkline_goes_from_the_lowest_to_the_highest_of_what_it_shows() -> None:
    assert sparkline([9, 1, 2, 3, 2, 1], 5) == "▁▅█▅▁"


def test_a_value_that_never_moved_is_a_line_in_the_middle() -> None:
    assert sparkline([3, 3, 3], 8) == "▄▄▄"


def test_one_value_is_no_line() -> None:
    assert sparkline([3], 8) == ""


def test_in_a_plot_a_value_stays_until_the_next_one_and_steps_are_connected() -> None:
    assert plot([(0, 1), (5, 2), (10, 2)], 6, 2) == ["⠀⠀⠀⡏⠉⠉", "⣀⣀⣀⡇⠀⠀"]


def test_the_last_value_reaches_to_the_end() -> None:
    assert plot([(0, 1), (1, 2)], 6, 1, end=10) == ["⣀⡏⠉⠉⠉⠉"]


def test_a_plot_of_one_value_is_a_line() -> None:
    assert plot([(0, 7)], 4, 1) == ["⠤⠤⠤⠤"]


def test_nothing_is_drawn_of_nothing() -> None:
    assert plot([], 3, 2) == ["   ", "   "]
