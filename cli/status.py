"""`rtp status`: what is installed, how far each sink is, and what went wrong; whether or not rtp is running."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Group

from cli.database import connection_to, hang_up
from cli.looking import Every, show
from cli.notification_tables import notification_tables
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, Stack, settings_from
from cli.running_demo import use_demo_if_unnamed
from cli.source import Source, is_notify_alone, is_streams
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


def status(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    source: Source = None,
    every: Every = None,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show what is installed, how far behind each sink is, what waits, what failed, and what the triggers cost.

    It reads the database, and Redis of who is told (notify), so it works without a running rtp, and changes nothing.
    Without an address it finds a running [bold]rtp run --demo[/]. Exit code 2 where rtp is not installed.
    Where the settings name people to tell and no database, it shows those alone.
    Of a stream source it reads Redis, the tables' descriptions and the queues: what was done of each shard, and when;
    alerts that wait, ticks that are due, dead letters, baselines.

    Example: [bold]rtp status --config rtp.yaml --every 2s[/]
    """
    settings = settings_from(config, stack=stack, postgres__dsn=postgres_dsn, redis__url=redis_url)

    def told() -> Notifications | None:
        return look_at_notifications(settings, is_configured=config is not None)

    if is_streams(settings, source):
        with stream_services(settings) as services:
            show(
                lambda: replace(inspect_streams(services), notifications=told()),
                stream_tables,
                as_document,
                as_json=as_json,
                every_seconds=every,
            )
        return
    if is_notify_alone(settings):
        show(
            partial(read_notifications, settings, is_configured=config is not None),
            _notifications_alone,
            lambda seen: {"notifications": as_document(seen)},
            as_json=as_json,
            every_seconds=every,
        )
        return
    settings = use_demo_if_unnamed(settings, "PostgreSQL")
    configured = sink_names(settings) if config is not None else None
    with connection_to(settings) as connection:

        def look() -> Inspection:
            return replace(inspect(connection, settings.log, configured), notifications=told())

        show(
            look,
            status_tables,
            as_document,
            as_json=as_json,
            every_seconds=every,
            on_request=partial(hang_up, connection),
        )


def _notifications_alone(seen: Notifications | None) -> Group:
    return Group(*notification_tables(seen, datetime.now(UTC)))
