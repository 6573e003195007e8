"""What a board learns of a stream source: how far its tables are done, and all about an entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.top.explained import details_of
from cli.top.sinks import RtpState, state_in
from core.handler.services import stream_services
from core.inspection.document import as_document
from core.inspection.stream_explainer import explain_streams
from core.inspection.stream_inspector import inspect_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.top.market import EntityKey
    from cli.top.world import Details
    from core.settings.models import Settings


def looks_at_streams(settings: Settings) -> Iterator[RtpState]:
    """The state of the tables in the place of sinks, again and again."""
    with stream_services(settings) as services:
        while True:
            yield state_in(as_document(inspect_streams(services)))


def explain_in_streams(settings: Settings, key: EntityKey) -> Details:
    """All about an entity, as `rtp explain` tells it. Raises RtpError."""
    with stream_services(settings) as services:
        return details_of(explain_streams(services, key.kind, key.entity, key.chain))
