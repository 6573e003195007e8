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
    if (depeg_at := depeg_due_at(state, rule)) is not None:
        moments.append(depeg_at)
    if (apart := disagreement_due(state, rule)) is not None:
        moments.append(apart[0])
    is_unknown = rule.agree is not None and state.value is None
    if state.held or (rule.heartbeat and not is_unknown):
        pauses = [pause for pause in (rule.cooldown, None if state.held else rule.heartbeat) if pause]
        moments.append(max((later(state.reported_at, pause) for pause in pauses), default=state.reported_at))
    return later(min(moments), state.lag) if moments else None


def depeg_due_at(state: EntityState, rule: Rule) -> datetime | None:
    """When a price that is off its peg has been so for long enough to be reported; None where it was, or is on it.

    A newest value that is no number cannot tell whether it is still off: then the next number decides.
    """
    off_peg = state.memory.off_peg
    if rule.peg is None or state.off_peg_since is None or off_peg is None or off_peg.told is not None:
        return None
    if state.last_value is None or not state.last_value.is_finite():
        return None
    moment = later(state.off_peg_since, rule.peg.off_for or NO_LAG)
    known = state.memory.agreement
    # Sources that are silent by then do not say that it is still off: the next word of them decides.
    if rule.agree is not None and known is not None and not is_enough(known, max(moment, state.sample_at), rule.agree):
        return None
    return moment


def disagreement_due(state: EntityState, rule: Rule) -> tuple[datetime, Reason] | None:
    """When time alone makes a disagreement, or its end, one to be told of."""
    known = state.memory.agreement
    return None if known is None else apart_due(known, state.sample_at, rule)
