"""When to try again: exponential backoff with full jitter, capped.

Full jitter, a random wait between nothing and the exponential bound, is what spreads many waiting clients best
(M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Backoff:
    """How long to wait before each further attempt, in seconds; `uniform` draws between two bounds."""

    initial_seconds: float
    max_seconds: float
    uniform: Callable[[float, float], float] = random.uniform

    def wait_seconds(self, attempt: int) -> float:
        """The wait after failed attempt number `attempt`, counted from 1."""
        # 2.0 ** 1024 overflows, and by then the cap has long been reached.
        bound = min(self.max_seconds, self.initial_seconds * 2.0 ** min(attempt - 1, 60))
        return self.uniform(0, bound)
