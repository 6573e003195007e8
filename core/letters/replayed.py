"""What became of a letter of a stream source that was done again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.letters.failure import Failure

Came = Literal["replayed", "dropped", "refused", "waiting"]


@dataclass
class Replayed:
    """What a letter came to: a `replayed` one is gone; one that is `refused` or `waiting` stays, and `why` says why.

    `read_from` is the stream, the table or the letter. `passed_over` are records that were judged before, or that a
    newer one has overtaken; `unknown` says what cannot be known any more, a line each.
    """

    failure: Failure
    came: Came = "replayed"
    why: str = ""
    read_from: str = ""
    records: int = 0
    events: int = 0
    passed_over: int = 0
    dead_letters: int = 0
    unknown: list[str] = field(default_factory=list)
