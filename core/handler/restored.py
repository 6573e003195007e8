"""SnapStart: a function that was started once, and then woken many times from a snapshot of that moment."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def after_restore(do: Callable[[], object]) -> None:
    """Have Lambda call this whenever it wakes the function from a snapshot. Elsewhere nothing comes of it."""
    with suppress(ImportError):
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415 - only Lambda's own Pythons have it

        # Else all that are woken from one snapshot would wait the same random times.
        register_after_restore(random.seed)
        register_after_restore(do)
