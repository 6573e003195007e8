"""What the rules remember of an entity besides its baseline, and its spelling as JSON; both sources keep it so.

Bounded: a peg's part is a value and a time, a move's a value of each of its 31 steps, agreement's one of each source.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from core.detection.report import amount_text
from rtp_client.event import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class OffPeg(NamedTuple):
    """A price that is off its peg. `told` is the worst severity that was reported; None while `for` runs.

    `back_since` is since when it is back, while `recover_for` runs. What is worse than `tier` is told; None: than
    `told`. `eased_since` is since when the price has stayed away from that tier.
    """

    lowest: Decimal
    told: Severity | None
    back_since: datetime | None = None
    tier: Severity | None = None
    eased_since: datetime | None = None


Steps = tuple[tuple[int, Decimal], ...]
"""The last value of each step of time, by the step's number."""


class MoveMemory(NamedTuple):
    """What is remembered of a move over time; `told` is the direction of one that goes on."""

    steps: Steps = ()
    told: str | None = None


class LastWord(NamedTuple):
    """The newest word of a source. None: null, or no finite number, which says nothing."""

    value: Decimal | None
    at: datetime


class Apart(NamedTuple):
    """Since when sources are too far apart, and whether that was reported."""

    since: datetime
    is_told: bool


class Agreement(NamedTuple):
    """What each source has said last, by its name."""

    said: Mapping[str, LastWord]
    apart: Apart | None = None


@dataclass(frozen=True, slots=True)
class RuleMemory:
    """`off_peg` is there as long as a price is off its peg; `before_jump` since a jump was taken for true.

    `moves` has what is remembered of each move, by its name; `agreement` is there where sources must agree.
    """

    off_peg: OffPeg | None = None
    before_jump: Decimal | None = None
    moves: Mapping[str, MoveMemory] = field(default_factory=dict)
    agreement: Agreement | None = None


NOTHING = RuleMemory()


def memory_text(memory: RuleMemory) -> str | None:
    """As JSON; None where there is nothing to remember."""
    if memory == NOTHING:
        return None
    document: dict[str, Any] = {}
    if memory.off_peg is not None:
        document["off_peg"] = _off_peg_document(memory.off_peg)
    if memory.before_jump is not None:
        document["before_jump"] = amount_text(memory.before_jump)
    if memory.moves:
        document["moves"] = {
            name: {"steps": [(step, amount_text(value)) for step, value in move.steps], "told": move.told}
            for name, move in memory.moves.items()
        }
    if memory.agreement is not None:
        said, apart = memory.agreement
        document["agreement"] = {
            "said": {name: (amount_text(value), _microseconds(at)) for name, (value, at) in said.items()},
            "apart": None if apart is None else (_microseconds(apart.since), apart.is_told),
        }
    return json.dumps(document, separators=(",", ":"))


def memory_of(text: str | None) -> RuleMemory:
    """What `memory_text` wrote."""
    if not text:
        return NOTHING
    document = json.loads(text)
    off_peg, before_jump, agreement = map(document.get, ("off_peg", "before_jump", "agreement"))
    return RuleMemory(
        off_peg=None if off_peg is None else _off_peg(**off_peg),
        before_jump=None if before_jump is None else Decimal(before_jump),
        moves={name: _move(**move) for name, move in document.get("moves", {}).items()},
        agreement=None if agreement is None else _agreement(**agreement),
    )


def _move(steps: list[tuple[int, str]], told: str | None) -> MoveMemory:
    return MoveMemory(tuple((step, Decimal(value)) for step, value in steps), told)


def _off_peg_document(off_peg: OffPeg) -> dict[str, Any]:
    document: dict[str, Any] = {"lowest": amount_text(off_peg.lowest), "told": off_peg.told}
    if off_peg.back_since is not None:
        document["back_since"] = _microseconds(off_peg.back_since)
    if off_peg.tier is not None:
        document["tier"] = off_peg.tier
    if off_peg.eased_since is not None:
        document["eased_since"] = _microseconds(off_peg.eased_since)
    return document


def _off_peg(
    lowest: str,
    told: str | None,
    back_since: int | None = None,
    tier: str | None = None,
    eased_since: int | None = None,
) -> OffPeg:
    return OffPeg(
        Decimal(lowest),
        None if told is None else Severity(told),
        None if back_since is None else _moment(back_since),
        None if tier is None else Severity(tier),
        None if eased_since is None else _moment(eased_since),
    )


def _agreement(said: Mapping[str, tuple[str | None, int]], apart: Sequence[int] | None) -> Agreement:
    return Agreement(
        {name: LastWord(None if value is None else Decimal(value), _moment(at)) for name, (value, at) in said.items()},
        None if apart is None else Apart(_moment(apart[0]), bool(apart[1])),
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
