"""What the commands of the cache share: their options, and the services they need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli.kinds import KINDS, kind_name
from rtp_client.redact import redact
from rtp_client.redis import redis_client, redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from core.settings.models import Settings


KindOption = Annotated[
    str | None, typer.Option("--kind", parser=kind_name, metavar=KINDS, help="Only entries of this kind.")
]


@contextmanager
def redis_of(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the settings' Redis. Raises ServiceUnavailable where it does not answer, or refuses."""
    url, wait = settings.redis.url or "", settings.redis.timeout_seconds
    with redis_errors(redact(url)), redis_client(url, client_name="rtp-cli", timeout_seconds=wait, retries=1) as client:
        yield client
