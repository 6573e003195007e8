"""From settings to a batch processor; the same for the Lambda and for the local poller."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from core.emf import emf_log
from core.handler.alert_sender import AlertSender
from core.handler.alert_store import AlertStore
from core.handler.alerts import Alerts
from core.handler.baselines import Baselines, counted_watches, redis_url_of
from core.handler.batch import BatchProcessor
from core.handler.earlier_alerts import EarlierAlerts
from core.handler.letters import LetterForwarder
from core.handler.progress import Progress
from core.letters.stream_letters import MOST_LETTERS, QueueLetters, RedisLetters
from core.routes.matching import Routes
from core.sinks.sink_type import needing
from core.sinks.sqs.queues import sqs_destinations
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from core.handler.freshness import CacheKeeper
    from core.handler.items import TableItems
    from core.handler.poller import StreamPoller
    from core.problem import Problem
    from core.settings.models import Settings


def build_processor(
    settings: Settings, *, reads_tables: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> BatchProcessor:
    """A batch processor for these settings; `reads_tables`, for one that knows nothing but the tables do.

    Raises SettingsError where Redis is not named, or boto3 is missing.
    """
    url = redis_url_of(settings.redis)
    routes, destinations = Routes(settings), sqs_destinations(settings)
    baselines = Baselines(settings.redis, url=url, channels_of=routes.channels, counted=counted_watches(settings))
    client, letter_queue = _redis(settings), settings.dynamodb.dead_letter_queue
    letters = RedisLetters(client, baselines.address, most=None if letter_queue else MOST_LETTERS)
    store, senders, forward = AlertStore(client, baselines.address), list[AlertSender](), None
    if destinations or letter_queue:
        with needing("aws", "the settings name an SQS queue"):
            from core.services.sqs_client import sqs_client  # noqa: PLC0415
            from core.sinks.sqs.sink import SqsSink  # noqa: PLC0415 - boto3 is an extra, and slow to import
        sqs = sqs_client(settings.sqs)
        senders = [
            AlertSender(
                one.queue,
                SqsSink(settings.sqs, sqs, queue=one.queue, name=one.sink),
                partial(routes.goes_to, one.queue),
                store=store,
                bury=letters.bury,
                max_attempts=settings.run.max_attempts,
            )
            for one in destinations
        ]
        forward = LetterForwarder(letters, QueueLetters(sqs, letter_queue)) if letter_queue else None
    return BatchProcessor(
        settings,
        baselines,
        Alerts(senders, store, bury=letters.bury, earlier=EarlierAlerts(client, baselines.address, bury=letters.bury)),
        bury=letters.bury,
        forwarder=forward,
        items=cache(partial(_items, settings)) if reads_tables else None,
        keeper=cache(partial(_keeper, settings)) if reads_tables else None,
        progress=Progress(client),
        clock=clock,
    )


def _redis(settings: Settings) -> redis.Redis:
    own = settings.redis
    return redis_client(redis_url_of(own), client_name="rtp-handler", timeout_seconds=own.timeout_seconds, retries=1)


def _keeper(settings: Settings) -> CacheKeeper:
    with needing("aws", "the tables are DynamoDB's"):
        from core.handler.freshness import CacheKeeper  # noqa: PLC0415 - a batch needs none of it
    return CacheKeeper(settings)


def _items(settings: Settings) -> TableItems:
    with needing("aws", "the tables are DynamoDB's"):
        from core.handler.items import TableItems  # noqa: PLC0415 - boto3 is an extra, and slow to import
        from core.services.dynamodb_client import dynamodb_clients  # noqa: PLC0415
    return TableItems(dynamodb_clients(settings)[0])


def build_poller(
    settings: Settings, *, on_problem: Callable[[Problem], None], write: Callable[[str], None] = lambda _: None
) -> StreamPoller:
    """A poller of every stream that feeds a watch; `write` takes metrics for CloudWatch. Raises SettingsError."""
    processor = build_processor(settings, reads_tables=True)
    with needing("aws", "the streams are DynamoDB's"):
        from core.handler.poller import StreamPoller  # noqa: PLC0415 - as above
        from core.services.dynamodb_client import dynamodb_clients  # noqa: PLC0415
    dynamodb, streams = dynamodb_clients(settings)
    return StreamPoller(
        settings, processor, dynamodb, streams, _redis(settings), on_problem, emf=emf_log(settings.emf, write)
    )
