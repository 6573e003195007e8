"""Moves over time: a value beside the one of so long ago, in bounded memory. Pure, in exact arithmetic.

Time is cut into steps of a thirtieth of `over`, counted from 1970. Of each step that is over, the last value is kept;
so the value of `over` ago is known to within a step, and a step without a sample has the value of the one before. While
an entity is known for less than `over`, its oldest value stands for the one of so long ago.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from core.detection.memory import MoveMemory, Steps
from core.severity import EXACT, reaches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from core.settings.moves import MoveRule

STEPS = 30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN = MoveMemory()


class FoundMove(NamedTuple):
    """A move to be told of, and the value that it began from."""

    move: MoveRule
    begun_at: Decimal


def close_steps(
    memory: Mapping[str, MoveMemory],
    moves: Sequence[MoveRule],
    last_value: Decimal | None,
    last_at: datetime,
    at: datetime,
) -> Mapping[str, MoveMemory]:
    """Keep the newest value where the step that it is of is over at `at`. The same mapping where none is."""
    kept = ((move.name, _closed(memory.get(move.name, _UNKNOWN), move, last_value, last_at, at)) for move in moves)
    return _changed(memory, kept)


def judge_moves(
    memory: Mapping[str, MoveMemory], moves: Sequence[MoveRule], value: Decimal, at: datetime
) -> tuple[Mapping[str, MoveMemory], FoundMove | None]:
    """Judge a finite value: what is remembered then, and the first move that has just begun.

    Another one that has begun, too, is found with the next value.
    """
    judged, found = dict(memory), None
    for move in moves:
        known = memory.get(move.name, _UNKNOWN)
        begun_at = value_before(known, move, at)
        told = _still(known.told, begun_at, value, move)
        if found is None and told is None and (told := _begun(begun_at, value, move)) is not None:
            assert begun_at is not None
            found = FoundMove(move, begun_at)
        judged[move.name] = known._replace(told=told)
    return _changed(memory, judged.items()), found


def value_before(known: MoveMemory, move: MoveRule, at: datetime) -> Decimal | None:
    """The value of `over` before a moment, as far as it is known."""
    first = step_of(at, move) - STEPS
    before = [value for step, value in known.steps if step <= first]
    if before:
        return before[-1]
    return known.steps[0][1] if known.steps else None


def step_of(at: datetime, move: MoveRule) -> int:
    """The number of the step that a moment is in."""
    return (at - _EPOCH) // _step(move)


def step_ends_at(at: datetime, move: MoveRule) -> datetime:
    """When the step that a moment is in is over."""
    return _EPOCH + (step_of(at, move) + 1) * _step(move)


def fires_at(begun_at: Decimal, move: MoveRule) -> tuple[Decimal | None, Decimal | None]:
    """The nearest values below and above that are such a move from there; None where its direction rules that out."""
    step = EXACT.multiply(EXACT.multiply(begun_at.copy_abs(), move.percent), Decimal("0.01"))
    return (
        None if move.direction == "up" else EXACT.subtract(begun_at, step),
        None if move.direction == "down" else EXACT.add(begun_at, step),
    )


def _changed(memory: Mapping[str, MoveMemory], moves: Iterable[tuple[str, MoveMemory]]) -> Mapping[str, MoveMemory]:
    """What is known of the moves, without those of which nothing is; the same mapping where it is the same."""
    known = {name: one for name, one in moves if one != _UNKNOWN}
    return memory if known == memory else known


def _step(move: MoveRule) -> timedelta:
    return move.over // STEPS


def _closed(
    known: MoveMemory, move: MoveRule, last_value: Decimal | None, last_at: datetime, at: datetime
) -> MoveMemory:
    of_last, now = step_of(last_at, move), step_of(at, move)
    steps = known.steps
    if of_last < now and last_value is not None and last_value.is_finite():
        steps = _with_last(steps, of_last, last_value)
    while len(steps) > 1 and steps[1][0] <= now - STEPS:
        steps = steps[1:]
    return known if steps is known.steps else known._replace(steps=steps)


def _with_last(steps: Steps, step: int, value: Decimal) -> Steps:
    """The steps with the last value of one; what was in quarantine comes to be known when its step may be closed."""
    if not steps or steps[-1][0] < step:
        return (*steps, (step, value))
    return (*steps[:-1], (step, value)) if steps[-1][0] == step and steps[-1][1] != value else steps


def _still(told: str | None, begun_at: Decimal | None, value: Decimal, move: MoveRule) -> str | None:
    """The direction of a move that was told and is not over."""
    if told is None or begun_at is None or not begun_at:
        return None
    size = EXACT.subtract(value, begun_at)
    is_same_way = (size > 0) == (told == "up")
    return told if is_same_way and reaches(size.copy_abs(), begun_at, move.recovery) else None


def _begun(begun_at: Decimal | None, value: Decimal, move: MoveRule) -> str | None:
    if begun_at is None or not begun_at:
        return None
    size = EXACT.subtract(value, begun_at)
    way = "up" if size > 0 else "down"
    is_asked_for = move.direction in (way, "both")
    return way if is_asked_for and reaches(size.copy_abs(), begun_at, move.percent) else None
