"""An entity whose row is gone: it may come back, and is an event once that stands. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from core.detection.report import Report
from core.detection.state import NO_GRACE, later
from core.detection.testimony import UNSAID, Testimony
from core.severity import severity
from rtp_client.event import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from core.detection.state import EntityState
    from core.settings.rules import Rule
    from rtp_client.event import DeletedBy


def leave(
    state: EntityState, at: datetime, deletedby: DeletedBy | None = None, *, said: Testimony = UNSAID
) -> EntityState:
    """The state of an entity whose row is gone, and may come back; `said` is that row's own word of itself."""
    if state.gone_at is not None:
        return state
    word = said._replace(changed_at=None)
    return replace(
        state,
        gone_at=at,
        deletedby=deletedby,
        testimony=word.or_else(state.testimony),
        suspect_testimony=UNSAID if state.suspect_since is None else word.or_else(state.suspect_testimony),
    )


def deletion_that_stands(state: EntityState, at: datetime, rule: Rule) -> Report | None:
    """The event of an entity whose row has been gone for too long; the caller forgets its state."""
    if state.gone_at is None or at < later(state.gone_at, rule.delete_grace or NO_GRACE):
        return None
    return delete(state, rule, Testimony(state.gone_at), state.deletedby)


def delete(state: EntityState, rule: Rule, testimony: Testimony = UNSAID, deletedby: DeletedBy | None = None) -> Report:
    """The event of an entity that is gone; the caller forgets its state.

    The removed row testifies, else the newest one that was seen; `changed_at` is the deletion's.
    """
    how_bad = severity(Reason.DELETED, state.value, None, rule.severity)
    newest = state.testimony if state.suspect_since is None else state.suspect_testimony
    return Report(state.value, None, Reason.DELETED, how_bad, testimony=testimony.or_else(newest), deletedby=deletedby)
