"""What `rtp status` shows of people who are told: how each destination stands, as Redis has it, as of one moment."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import SinkUnavailable
from core.notify.overview import look_over
from core.services.circuit import CircuitState
from rtp_client.redact import redact
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.notify.outbox.standing import Standing
    from core.settings.models import Settings


@dataclass(frozen=True)
class DestinationFigures:
    """A destination. `audience` is None where the settings name it no more; alerts may wait for it all the same.

    Numbers count since it was first told something, by all `rtp notify` together; `folded` are alerts that came in
    another's message. Where it takes nothing, `failures_in_a_row`, `reason`, and when it is tried again.
    """

    audience: str | None
    destination: str
    waiting: int
    oldest_seconds: float
    told: int
    messages: int
    folded: int
    failed: int
    retried: int
    dead: int
    told_at: datetime | None
    circuit: CircuitState
    failures_in_a_row: int
    retry_at: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Notifications:
    """All destinations, and how many `rtp notify` are there. `problem` is why Redis could not be asked.

    Where nobody's settings were given (`is_configured`), whose a destination is is not known.

    `unacknowledged` alerts are waited for now; `escalated` ones others were ever told for want of that.
    """

    processes: int
    dead_letters: int
    destinations: Sequence[DestinationFigures]
    unacknowledged: int = 0
    escalated: int = 0
    problem: str | None = None
    is_configured: bool = True


def look_at_notifications(settings: Settings, *, is_configured: bool) -> Notifications | None:
    """As `read_notifications`; where Redis does not answer, that is all that is known of them."""
    try:
        return read_notifications(settings, is_configured=is_configured)
    except SinkUnavailable as error:
        return Notifications(0, 0, (), problem=str(error)) if settings.notify else None


def read_notifications(settings: Settings, *, is_configured: bool) -> Notifications | None:
    """The picture. None where nobody is told: the settings name nobody, and nothing is left of whom they named.

    Raises SinkUnavailable.
    """
    audiences = {name: one.name for one in settings.notify for name in one.destinations}
    if not settings.redis.url:
        return None
    timeout = settings.redis.timeout_seconds
    with closing(redis_client(settings.redis.url, client_name="rtp-cli", timeout_seconds=timeout, retries=1)) as client:
        seen = look_over(client, redact(settings.redis.url), audiences)
    figures = [_figures(audiences.get(name), name, one, seen.at) for name, one in seen.standings.items()]
    if not figures:
        return None
    return Notifications(
        seen.processes,
        seen.dead_letters,
        figures,
        seen.unacknowledged,
        seen.escalated,
        is_configured=is_configured or bool(audiences),
    )


def _figures(audience: str | None, name: str, standing: Standing, now: float) -> DestinationFigures:
    is_failing = standing.failures_in_a_row > 0
    return DestinationFigures(
        audience,
        name,
        standing.waiting,
        standing.oldest_seconds(now),
        standing.counts.told,
        standing.counts.messages,
        standing.counts.folded,
        standing.counts.failed,
        standing.counts.retried,
        standing.counts.dead,
        _moment(standing.told_at),
        CircuitState.OPEN if is_failing else CircuitState.CLOSED,
        standing.failures_in_a_row,
        _moment(standing.retry_at) if is_failing else None,
        standing.reason if is_failing else None,
    )


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
