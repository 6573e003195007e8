"""What a stream shows of a change. rtp needs both images: what an item was, and what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable, SettingsError
from core.handler.images import watched_tables
from core.problem import Problem
from core.sinks.sink_type import needing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.settings.models import Settings

_ASKING_SECONDS = 1.0


def check_views(settings: Settings, on_problem: Callable[[Problem], None]) -> None:
    """Ask DynamoDB for each table's stream, at the start of a function. Raises SettingsError as `refuse_other_views`.

    Where DynamoDB cannot be asked, as the right or the way to it is missing, that is a problem, and the records are
    believed: a record that lacks an image is a dead letter.
    """
    with needing("aws", "the streams are DynamoDB's"):
        from core.services.dynamodb_client import dynamodb_clients  # noqa: PLC0415 - boto3 is an extra
    dynamodb, _ = dynamodb_clients(settings, timeout_seconds=_ASKING_SECONDS)
    try:
        for trouble in refuse_other_views(settings, dynamodb):
            on_problem(Problem(trouble, "streams"))
    except ServiceUnavailable as error:
        on_problem(Problem(f"whether the streams show both images is not known: {error}", "streams"))


def refuse_other_views(settings: Settings, dynamodb: DynamoDBClient) -> Iterator[str]:
    """Raise SettingsError where a stream shows anything but both images.

    A line for each table that is not there or has no stream: it holds up no other. Raises ServiceUnavailable.
    """
    from core.handler.description import describe_table, stream_with_both_images  # noqa: PLC0415 - as above

    for name in watched_tables(settings):
        try:
            table = describe_table(dynamodb, name)
        except SettingsError as error:
            yield str(error)
            continue
        if table.stream_arn is None:
            yield f"table {name} has no stream"
        else:
            stream_with_both_images(table)
