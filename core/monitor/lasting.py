"""What lasts too long to be passed over: nobody leads, or a loop that events depend on cannot do its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.monitor.progress import Hindrance
from core.services.circuit import CircuitState
from core.trouble import now
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.processor.pipeline import Pipeline
    from core.trouble import Trouble

# A cut connection is made again, and a restarted server is back, by then.
LASTING_SECONDS = 2.0


def find_lasting(pipeline: Pipeline) -> Iterator[Hindrance]:
    """Why this rtp neither leads nor waits for a leader to end, and what its sinks and its judge cannot do.

    A service whose circuit is open is told of as such.
    """
    lead = pipeline.election.status()
    if lead.role == "starting" or lead.trouble:
        detail = lead.trouble or "it has not found out yet who leads"
        yield Hindrance(lead.role, "election", detail, format_time(lead.since))
    at = now()
    away = {c.service for c in (one.status() for one in pipeline.circuits) if c.state is not CircuitState.CLOSED}
    needed = {*pipeline.needed_parts, pipeline.arming.name} - {"election"}
    for trouble in pipeline.troubles.current():
        if trouble.part in needed and trouble.service not in away and _lasts(trouble) <= at.timestamp():
            detail = f"{trouble.cause} ({trouble.failures:,} times)"
            yield Hindrance("failing", trouble.part, detail, format_time(trouble.since))


def _lasts(trouble: Trouble) -> float:
    return trouble.since.timestamp() + LASTING_SECONDS
