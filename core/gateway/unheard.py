"""Errors of work that several wait for: whoever does is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def note_failure(work: asyncio.Task[Any]) -> None:
    """Take the error of work that is done: where all who waited have gone, asyncio would complain that nobody does."""
    if not work.cancelled():
        work.exception()
