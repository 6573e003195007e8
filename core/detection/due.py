"""When time alone may change what is known of an entity. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.detection.agreement import apart_due, is_enough
from core.detection.state import NO_GRACE, NO_LAG, later

if TYPE_CHECKING:
    from datetime import datetime

    from core.detection.state import EntityState
    from core.settings.rules import Rule
    from rtp_client.event import Reason


def due_at(state: EntityState, rule: Rule) -> datetime | None:
    """When time alone may next change the state; None where only a sample can."""
    if state.gone_at is not None:
        return later(state.gone_at, rule.delete_grace or NO_GRACE)
    moments = []
    if rule.glitch_guard and state.suspect_since is not None:
        moments.append(later(state.suspect_since, rule.glitch_guard.release_after))
    if (peg_at := peg_due_at(state, rule)) is not None:
        moments.append(peg_at)
    is_unknown = rule.agree is not None and state.value is None
    if state.held or (rule.heartbeat and not is_unknown):
        pauses = [pause for pause in (rule.cooldown, None if state.held else rule.heartbeat) if pause]
        moments.append(max((later(state.reported_at, pause) for pause in pauses), default=state.reported_at))
    moments = [moment for moment in moments if _is_heard(state, moment, rule)]
    if (apart := disagreement_due(state, rule)) is not None:
        moments.append(apart[0])
    return later(min(moments), state.lag) if moments else None


def peg_due_at(state: EntityState, rule: Rule) -> datetime | None:
    """When a price has been off its peg, or back, for long enough to be reported; None where neither waits.

    A newest value that is no number cannot tell where the price is: then the next number decides.
    """
    moment = _peg_moment(state, rule)
    if moment is None or state.last_value is None or not state.last_value.is_finite():
        return None
    return moment if _is_heard(state, moment, rule) else None


def _is_heard(state: EntityState, moment: datetime, rule: Rule) -> bool:
    """Whether enough sources are fresh by then. Of those that are silent, the next word decides, and no clock."""
    known = state.memory.agreement
    return rule.agree is None or known is None or is_enough(known, max(moment, state.sample_at), rule.agree)


def _peg_moment(state: EntityState, rule: Rule) -> datetime | None:
    off_peg, peg = state.memory.off_peg, rule.peg
    if peg is None or state.off_peg_since is None or off_peg is None:
        return None
    if off_peg.told is None:
        return later(state.off_peg_since, peg.off_for or NO_LAG)
    return None if off_peg.back_since is None else later(off_peg.back_since, peg.recover_for or NO_LAG)


def disagreement_due(state: EntityState, rule: Rule) -> tuple[datetime, Reason] | None:
    """When time alone makes a disagreement, or its end, one to be told of."""
    known = state.memory.agreement
    return None if known is None else apart_due(known, state.sample_at, rule)
