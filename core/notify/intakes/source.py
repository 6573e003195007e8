"""Where alerts are taken from: queues of SQS's, or the stream in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from core.errors import SettingsError
from core.sinks.sqs.queues import sqs_destinations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings.models import Settings

From = Literal["sqs", "stream"]


def source_of(settings: Settings, asked: From | None, queues: Sequence[str]) -> From:
    """Where alerts are taken from: as asked for, else from queues where there are any. Raises SettingsError."""
    has_queues = bool(queues or sqs_destinations(settings))
    if asked == "sqs" and not has_queues:
        raise SettingsError("option --from sqs: the settings name no queue", "Set sqs.queue, or say --queue")
    if asked == "stream" and queues:
        raise SettingsError("option --queue does not fit here: --from stream takes from Redis")
    return asked or ("sqs" if has_queues else "stream")


def queues_of(settings: Settings, named: Sequence[str]) -> list[str]:
    """The queues to take from: those that are named, else the default one where it gets every alert, else all."""
    if named:
        return list(dict.fromkeys(named))
    default = settings.sqs.queue
    if default and not any(route.queue == default for route in settings.routes):
        return [default]
    return [one.queue for one in sqs_destinations(settings)]
