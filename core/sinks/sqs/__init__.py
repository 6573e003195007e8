"""SQS as a sink: a FIFO queue for alerts, and one more for each queue that a route names."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from core.errors import RtpError
from core.routes.matching import Routes
from core.settings.models import SqsSettings
from core.sinks.sink_type import Destination, SinkType, needing
from core.sinks.sqs.queues import sqs_destinations
from rtp_client.answer_timeout import FIRST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.services.dead_letter_queue import DeadLetterQueue
    from core.settings.models import Settings
    from core.sinks import Sink
    from core.sinks.sqs.queues import SqsDestination


def _destinations(settings: Settings) -> Iterator[Destination]:
    routes = Routes(settings)
    for one in sqs_destinations(settings):
        yield Destination(
            one.sink,
            partial(_make, settings.sqs, one),
            wants=None if routes.takes_all(one.queue) else partial(routes.goes_to, one.queue),
            starts_at_latest=not one.is_default,  # a route's queue is for alarms: what was before it is none
            find_dead_letter_queue=partial(_find_dead_letter_queue, settings.sqs, one),
            service="SQS",
        )


def _make(settings: SqsSettings, destination: SqsDestination) -> Sink:
    with needing("aws", f"the settings name the queue {destination.queue}"):
        from core.services.queue_client import queue_client  # noqa: PLC0415
        from core.sinks.sqs.sink import SqsSink  # noqa: PLC0415
    return SqsSink(
        settings,
        queue_client(settings),
        quick_client=queue_client(settings, wait_seconds=FIRST_SECONDS),
        queue=destination.queue,
        name=destination.sink,
    )


def _find_dead_letter_queue(settings: SqsSettings, destination: SqsDestination) -> DeadLetterQueue | None:
    with needing("aws", f"the settings name the queue {destination.queue}"):
        from core.services.dead_letter_queue import find_dead_letter_queue  # noqa: PLC0415
        from core.services.sqs_client import sqs_client  # noqa: PLC0415
    return find_dead_letter_queue(sqs_client(settings), destination.queue, named=destination.dead_letter_queue)


def _weaknesses(settings: Settings) -> Iterator[str]:
    found = sqs_destinations(settings)
    if found and find_spec("awscrt") is None:
        yield 'alerts go out by boto3 alone, which takes three times the CPU: pip install "defi-rtp[aws]" brings awscrt'
    yield from _queues_without_letters(settings, found)


def _queues_without_letters(settings: Settings, found: Iterable[SqsDestination]) -> Iterator[str]:
    for one in found:
        try:
            if _find_dead_letter_queue(settings.sqs, one) is None:
                yield f"queue {one.queue} has no dead letter queue: dead letters stay in rtp's own list only"
        except RtpError as error:
            yield f"the dead letter queue of {one.queue}: {error}"


SQS = SinkType(
    "sqs",
    SqsSettings,
    _destinations,
    asked_for_by="sqs.queue, a route's queue",
    variables={
        "AWS_DEFAULT_REGION": "region",
        "AWS_REGION": "region",
        "RTP_SQS_ENDPOINT_URL": "endpoint_url",
        "RTP_SQS_QUEUE": "queue",
    },
    find_weaknesses=_weaknesses,
)
