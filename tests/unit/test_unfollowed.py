"""The list of files that coverage does not follow names files that are there."""

from __future__ import annotations

from pathlib import Path

from tests.unfollowed import COVERED_BY_OTHERS

TESTS = Path(__file__).parents[1]


def test_each_file_that_is_not_followed_is_there() -> None:
    assert not [name for name in sorted(COVERED_BY_OTHERS) if not (TESTS / name).is_file()]
