"""A full disk, as every part of the stack reports it."""

from __future__ import annotations

from core.errors import StackError


def no_space_left(folder: object) -> StackError:
    """The error for a full disk."""
    return StackError(f"No space left on device in {folder}", "Free some, or point TMPDIR at another disk")
