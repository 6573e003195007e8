"""Is a target on this machine? A load test aimed at another one has to be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from core.settings.addresses import is_loopback
from core.settings.models import postgres_dsn
from rtp_client.stored_password import split_secret

if TYPE_CHECKING:
    from core.settings.models import Settings


def elsewhere(settings: Settings) -> list[str]:
    """The services that are not on loopback, or cannot be told to be; by name."""
    found = [] if _is_local_postgres(postgres_dsn(settings)) else ["PostgreSQL"]
    if settings.redis.url and not _is_local_url(settings.redis.url):
        found.append("Redis")
    if settings.sqs.queue and not (settings.sqs.endpoint_url and _is_local_url(settings.sqs.endpoint_url)):
        found.append("SQS")
    return found


def _is_local_postgres(dsn: str) -> bool:
    parts = conninfo_to_dict(split_secret(dsn)[0])
    if parts.get("service"):
        return False  # a file says where that leads
    hosts = f"{parts.get('hostaddr') or parts.get('host') or ''}".split(",")
    return all(not host or host.startswith(("/", "@")) or is_loopback(host) for host in hosts)


def _is_local_url(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "unix" or is_loopback(parts.hostname or "")
