"""What `rtp status` does: apart from its options, as all that it imports is slow to load."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal

from rich.console import Group

from cli.database import connection_to, hang_up
from cli.looking import show
from cli.notification_tables import notification_tables
from cli.running_demo import use_demo_if_unnamed
from cli.signals import interruptible
from cli.source import is_notify_alone, is_streams
from cli.status_tables import status_tables
from cli.stream_tables import stream_tables
from core.handler.services import stream_services
from core.inspection.document import as_document
from core.inspection.inspector import inspect
from core.inspection.notifications import look_at_notifications, read_notifications
from core.inspection.stream_inspector import inspect_streams
from core.sinks.registry import sink_names

if TYPE_CHECKING:
    from core.inspection.notifications import Notifications
    from core.inspection.picture import Inspection
    from core.settings.models import Settings


@interruptible
def show_status(
    settings: Settings,
    source: Literal["postgres", "dynamodb"] | None,
    *,
    is_configured: bool,
    as_json: bool,
    every_seconds: float | None,
) -> None:
    """Show it once, or again and again. Raises SettingsError where there is no address, and InstallError."""

    def told() -> Notifications | None:
        return look_at_notifications(settings, is_configured=is_configured)

    if is_streams(settings, source):
        with stream_services(settings) as services:
            show(
                lambda: replace(inspect_streams(services), notifications=told()),
                stream_tables,
                as_document,
                as_json=as_json,
                every_seconds=every_seconds,
            )
        return
    if is_notify_alone(settings):
        show(
            partial(read_notifications, settings, is_configured=is_configured),
            _notifications_alone,
            lambda seen: {"notifications": as_document(seen)},
            as_json=as_json,
            every_seconds=every_seconds,
        )
        return
    settings = use_demo_if_unnamed(settings, "PostgreSQL")
    configured = sink_names(settings) if is_configured else None
    with connection_to(settings) as connection:

        def look() -> Inspection:
            return replace(inspect(connection, settings.log, configured), notifications=told())

        show(
            look,
            status_tables,
            as_document,
            as_json=as_json,
            every_seconds=every_seconds,
            on_request=partial(hang_up, connection),
        )


def _notifications_alone(seen: Notifications | None) -> Group:
    return Group(*notification_tables(seen, datetime.now(UTC)))
