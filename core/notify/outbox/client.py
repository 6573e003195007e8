"""The way to the Redis that keeps what is to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import SettingsError
from rtp_client.redact import redact
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    import redis

    from core.settings.models import Settings


def outbox_client(settings: Settings) -> tuple[redis.Redis, str]:
    """A client of its own, and what errors call the server. Raises SettingsError where the settings name none."""
    url = settings.redis.url
    if not url:
        raise SettingsError(
            "rtp notify keeps in Redis what it has to tell, and there is no Redis address",
            "Set RTP_REDIS_URL, redis.url or --redis-url",
        )
    return redis_client(url, client_name="rtp-notify", timeout_seconds=settings.redis.timeout_seconds), redact(url)
