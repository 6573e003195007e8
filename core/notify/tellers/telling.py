"""How one destination is told: by which rules, for how long that is tried, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.notify.choice.choose import Rules
    from core.notify.tellers.retries import Patience


@dataclass(frozen=True)
class Telling:
    """`tell` sends one message about these alerts. Several threads call it at a time, `at_once` at most."""

    rules: Rules
    patience: Patience
    tell: Callable[[Sequence[Alert]], Answer]
    at_once: int = 8
