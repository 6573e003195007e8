"""Rule 3, the glitch guard: what is too far from the baseline waits until it is confirmed. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.peg import unseen
from core.detection.state import Judgement
from core.detection.testimony import UNSAID
from core.severity import EXACT

if TYPE_CHECKING:
    from decimal import Decimal

    from core.detection.state import EntityState, Seen
    from core.settings.guard import GlitchGuard
    from core.settings.rules import Rule


def judge_guard(state: EntityState, seen: Seen, rule: Rule) -> Judgement:
    """Whether a value is in quarantine, or out of it, and why."""
    guard, since = rule.glitch_guard, state.suspect_since
    if guard is None or not is_jump(state.value, seen.value, guard):
        return Judgement(state) if since is None else Judgement(_cleared(state), note="dismissed")
    if _is_back(state.memory.before_jump, seen.value, guard):
        state = replace(state, memory=replace(state.memory, before_jump=None))
        return Judgement(state) if since is None else Judgement(_cleared(state), note="dismissed")
    count = state.suspect_count + 1 if since is not None and _are_on_one_side(state, seen.value) else 0
    if count >= guard.confirmations or (since is not None and seen.at - since >= guard.release_after):
        return Judgement(believed(state, rule), note="confirmed")
    suspected = replace(
        state,
        suspect_value=seen.value,
        suspect_since=since or seen.at,
        suspect_count=count,
        suspect_testimony=seen.testimony,
        sample_at=seen.sample_at,
        lag=seen.lag,
    )
    return Judgement(suspected, note="quarantined")


def believed(state: EntityState, rule: Rule) -> EntityState:
    """What was in quarantine is true: a value that leads back to the one before is no glitch either.

    A price that was off its peg there has been so since the quarantine began.
    """
    since, off_peg, value = state.off_peg_since, state.memory.off_peg, state.suspect_value
    if rule.peg is not None and value is not None and state.suspect_since is not None:
        since, off_peg = unseen(since, off_peg, value, state.suspect_since, rule.peg)
    memory = replace(state.memory, before_jump=state.value, off_peg=off_peg)
    return replace(_cleared(state), off_peg_since=since, memory=memory)


def _cleared(state: EntityState) -> EntityState:
    return replace(state, suspect_value=None, suspect_since=None, suspect_count=0, suspect_testimony=UNSAID)


def _are_on_one_side(state: EntityState, value: Decimal | None) -> bool:
    """Whether a jump says the same as the one in quarantine: a spike does not make a drop to nothing true."""
    value_is_more, suspect_is_more = (
        one is not None and state.value is not None and one.copy_abs() > state.value.copy_abs()
        for one in (value, state.suspect_value)
    )
    return value_is_more == suspect_is_more


def is_jump(baseline: Decimal | None, value: Decimal | None, guard: GlitchGuard) -> bool:
    """Whether the value is so far from the baseline that it may be a glitch."""
    if baseline is None or value is None or not (baseline.is_finite() and value.is_finite()):
        return False
    size, other = baseline.copy_abs(), value.copy_abs()
    return max(size, other) >= guard.min_value and _is_far(size, other, guard.factor)


def _is_back(before: Decimal | None, value: Decimal | None, guard: GlitchGuard) -> bool:
    """Whether a jump only leads back to where the value was before it jumped the other way."""
    if before is None or value is None or not value.is_finite():
        return False
    return not _is_far(before.copy_abs(), value.copy_abs(), guard.factor)


def _is_far(size: Decimal, other: Decimal, factor: Decimal) -> bool:
    return max(size, other) > EXACT.multiply(factor, min(size, other))
