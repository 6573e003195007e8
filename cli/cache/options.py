"""What the commands of the cache share: their options, and the services they need."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.kinds import KINDS, kind_name
from core.errors import SettingsError, StackError
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from core.settings.models import Settings


def parse_limit(text: str) -> int:
    """A whole number of entries."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,6}", text):
        raise SettingsError("option --limit: must be a whole number, 1 or more")
    return int(text)


KindOption = Annotated[
    str | None, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="Only entries of this kind.")
]


def or_of_the_demo(settings: Settings) -> Settings:
    """The settings, with a running demo's addresses where they name no Redis. Raises SettingsError without any."""
    if settings.redis.url:
        return settings
    try:
        from core.stack import running_stack  # noqa: PLC0415  (not on every system)

        stack = running_stack()
    except (StackError, ImportError):
        stack = None
    if stack is None:
        raise SettingsError(
            "there is no Redis to look at: no address is given and no `rtp run --demo` is running",
            "Give --redis-url, RTP_REDIS_URL, or --config with redis.url",
        )
    return settings.model_copy(
        update={
            "redis": settings.redis.model_copy(update={"url": stack.redis_url}),
            "postgres": settings.postgres.model_copy(update={"dsn": settings.postgres.dsn or stack.postgres_dsn}),
        }
    )


@contextmanager
def redis_of(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the settings' Redis. Raises ServiceUnavailable where it does not answer, or refuses."""
    url, wait = settings.redis.url or "", settings.redis.timeout_seconds
    with redis_errors(redact(url)), redis_client(url, client_name="rtp-cli", timeout_seconds=wait, retries=1) as client:
        yield client
