"""What a stream shows of a change. rtp needs both images: what an item was, and what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ServiceUnavailable
from core.handler.images import watched_tables
from core.problem import Problem
from core.sinks.sink_type import needing

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.settings.models import Settings

_ASKING_SECONDS = 1.0


def check_views(settings: Settings, on_problem: Callable[[Problem], None]) -> None:
    """Ask DynamoDB for each table's stream, at a start. Raises SettingsError where one does not show both images.

    Where DynamoDB cannot be asked, as the right or the way to it is missing, that is a problem, and the records are
    believed: a record that lacks an image is a dead letter.
    """
    with needing("aws", "the streams are DynamoDB's"):
        # boto3 is an extra, and slow to import.
        from core.handler.description import describe_table, stream_with_both_images  # noqa: PLC0415
        from core.services.dynamodb_client import dynamodb_clients  # noqa: PLC0415
    dynamodb, _ = dynamodb_clients(settings, timeout_seconds=_ASKING_SECONDS)
    for table in watched_tables(settings):
        try:
            stream_with_both_images(describe_table(dynamodb, table))
        except ServiceUnavailable as error:
            on_problem(Problem(f"whether the streams show both images is not known: {error}", "streams"))
            return
