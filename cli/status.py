"""`rtp status`: what is installed, how far each sink is, and what went wrong; whether or not rtp is running."""

from __future__ import annotations

from cli.options import AsJson, Config, Every, PostgresDsn, RedisUrl, Stack, settings_from
from cli.source import Source


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
    from cli.status_run import show_status  # noqa: PLC0415 - slow to import, and `--help` needs none of it

    show_status(settings, source, is_configured=config is not None, as_json=as_json, every_seconds=every)
