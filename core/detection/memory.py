"""What the rules remember of an entity besides its baseline, and its spelling as JSON; both sources keep it so.

Bounded: a peg's part is three values, a move's part a value for each of its steps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from core.detection.report import amount_text
from rtp_client.event import Severity


class OffPeg(NamedTuple):
    """A price that is off its peg. `told` is the worst severity that was reported; None while `for` runs."""

    lowest: Decimal
    told: Severity | None


@dataclass(frozen=True, slots=True)
class RuleMemory:
    """`off_peg` is there as long as a price is off its peg; `before_jump` since a jump was taken for true."""

    off_peg: OffPeg | None = None
    before_jump: Decimal | None = None


NOTHING = RuleMemory()


def memory_text(memory: RuleMemory) -> str | None:
    """As JSON; None where there is nothing to remember."""
    if memory == NOTHING:
        return None
    document: dict[str, Any] = {}
    if memory.off_peg is not None:
        document["off_peg"] = {"lowest": amount_text(memory.off_peg.lowest), "told": memory.off_peg.told}
    if memory.before_jump is not None:
        document["before_jump"] = amount_text(memory.before_jump)
    return json.dumps(document, separators=(",", ":"))


def memory_of(text: str | None) -> RuleMemory:
    """What `memory_text` wrote."""
    if not text:
        return NOTHING
    document = json.loads(text)
    off_peg, before_jump = document.get("off_peg"), document.get("before_jump")
    return RuleMemory(
        off_peg=None if off_peg is None else _off_peg(**off_peg),
        before_jump=None if before_jump is None else Decimal(before_jump),
    )


def _off_peg(lowest: str, told: str | None) -> OffPeg:
    return OffPeg(Decimal(lowest), None if told is None else Severity(told))
