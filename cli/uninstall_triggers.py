"""`rtp uninstall-triggers`: take everything of rtp's out of the database."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from cli.cache.options import redis_of
from cli.database import connection_to
from cli.dry_run import DryRun, WithSql, refuse_sql_alone, show_dry_run
from cli.install_triggers import show_actions
from cli.options import AsJson, Config, PostgresDsn, RedisUrl, settings_from
from cli.output import err, print_problem
from core.cache.remains import Remains, settle_remains
from core.errors import SettingsError
from core.inspection.document import as_document
from core.inspection.undelivered import nothing_to_lose
from core.problem import counted
from rtp_client.errors import ServiceUnavailable
from triggers.catalog import read_installation
from triggers.installer import apply, plan_removal

if TYPE_CHECKING:
    from core.settings.models import Settings

_Yes = Annotated[bool, typer.Option("--yes", help="Also while rtp run is active, or with something undelivered.")]
_ClearRedis = Annotated[
    bool, typer.Option("--clear-redis", help="Remove rtp's cache and stream from Redis, too; they are of this log.")
]


def uninstall_triggers(
    config: Config = None,
    postgres_dsn: PostgresDsn = None,
    redis_url: RedisUrl = None,
    dry_run: DryRun = False,
    with_sql: WithSql = False,
    yes: _Yes = False,
    clear_redis: _ClearRedis = False,
    as_json: AsJson = False,
) -> None:
    """Remove rtp's triggers and its schema, with the log, in one transaction. Your own tables stay as they are.

    It refuses while rtp run is active, and where events, samples or dead letters would be lost, unless you say --yes.

    Example: [bold]rtp uninstall-triggers --postgres-dsn postgresql://localhost/defi[/]
    """
    refuse_sql_alone(dry_run=dry_run, with_sql=with_sql)
    settings = settings_from(config, postgres__dsn=postgres_dsn, redis__url=redis_url)
    if clear_redis and not settings.redis.url:
        raise SettingsError("there is no Redis address", "Set RTP_REDIS_URL, redis.url or --redis-url")
    with connection_to(settings) as connection:
        steps = plan_removal(connection)
        if dry_run:
            show_dry_run(connection, steps, with_sql=with_sql, as_json=as_json)
            return
        if clear_redis:
            with redis_of(settings) as client:  # one that does not answer is told before anything is removed
                client.ping()
        with nullcontext() if yes or not read_installation(connection) else nothing_to_lose(connection):
            apply(connection, steps)
    remains = _settle_redis(settings, clear=clear_redis) if settings.redis.url else None
    more = {} if remains is None else {"redis": as_document(remains)}
    show_actions([step.action for step in steps], as_json=as_json, more=more)
    if remains and not as_json:
        _tell(remains)


def _settle_redis(settings: Settings, *, clear: bool) -> Remains | None:
    """What Redis keeps of the log, or kept until now; None where it does not answer, which is said."""
    try:
        with redis_of(settings) as client:
            return settle_remains(client, clear=clear)
    except ServiceUnavailable as error:
        if clear:
            raise
        print_problem(f"{error}. What it holds of rtp stays there")
        return None


def _tell(remains: Remains) -> None:
    entries, events = counted(remains.entries, "entry", "entries"), counted(remains.stream_events, "event")
    if remains.is_cleared:
        err.print(f"Redis: {entries} of the cache and {events} of the stream removed.")
    elif remains.entries or remains.stream_events:
        err.print(
            f"Redis keeps {entries} of the cache and {events} of the stream. "
            "`rtp uninstall-triggers --clear-redis` removes them; a new installation replaces the entries."
        )
