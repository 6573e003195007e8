"""Webhooks as sinks: each event is posted to an address of the user's own; docs/reference/webhook.md."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from core.routes.checking import contradictions
from core.routes.matching import mismatch
from core.sinks.sink_type import Destination, SinkType, needing
from core.sinks.webhook.settings import WebhookSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.routes.matching import Routable
    from core.settings.models import Settings
    from core.settings.routes import RouteMatch
    from core.sinks import Sink
    from core.sinks.webhook.settings import Webhook


def _destinations(settings: Settings) -> Iterator[Destination]:
    for name, webhook in settings.section("webhook", WebhookSettings).root.items():
        sink = f"webhook:{name}" if name else "webhook"
        yield Destination(
            sink,
            partial(_make, webhook, sink),
            wants=None if webhook.match is None else partial(_fits, webhook.match),
            match=webhook.match,
            starts_at_latest=True,
        )


def _make(webhook: Webhook, sink: str) -> Sink:
    with needing("webhook", f"the settings ask for the sink {sink}"):
        from core.sinks.webhook.sink import WebhookSink  # noqa: PLC0415 - its HTTP client is an extra
    return WebhookSink(webhook.resolved(sink.replace(":", "."), os.environ), name=sink)


def _fits(match: RouteMatch, event: Routable) -> bool:
    return mismatch(match, event) is None


def _useless(settings: Settings) -> Iterator[str]:
    for name, webhook in settings.section("webhook", WebhookSettings).root.items():
        if webhook.match is not None and (reasons := contradictions(webhook.match, settings)):
            yield f"webhook {name}".rstrip() + f" can never match: {'; '.join(reasons)}"


WEBHOOK = SinkType(
    "webhook",
    WebhookSettings,
    _destinations,
    asked_for_by="webhook.url",
    variables={"RTP_WEBHOOK_URL": "url"},
    find_weaknesses=_useless,
)
