"""Every client of Redis that rtp makes, and its errors as rtp's own.

A client waits for an answer as long as it is told, and does not try again unless it is told: a retry inside the
client would repeat what its caller repeats already, and hide from the caller that messages were missed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis
from redis import asyncio as async_redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from rtp_client.cluster import async_cluster_options, cluster_options
from rtp_client.errors import ServiceUnavailable, SettingsError, one_line
from rtp_client.packer import Packer
from rtp_client.redis_login import async_login_options, login_options
from rtp_client.secrets import know_secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def redis_client(
    url: str, *, client_name: str = "rtp", timeout_seconds: float = 5, retries: int = 0, **options: Any
) -> redis.Redis:
    """A client of the server, or of the cluster, at an address. It connects when it is first used."""
    know_secrets_of(url)
    with _address_errors():
        place, login = login_options(url)
        return redis.Redis.from_url(
            place,
            client_name=client_name,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), retries),
            command_packer=Packer(),
            **options,
            **login,
            **cluster_options(place),
        )


def async_redis_client(
    url: str, *, client_name: str, timeout_seconds: float, retries: int = 0, max_connections: int
) -> async_redis.Redis:
    """The same for asyncio.

    When all connections are in use, a command waits for a free one, up to twice the answer timeout.
    """
    know_secrets_of(url)
    with _address_errors():
        place, login = async_login_options(url)
        pool = async_redis.BlockingConnectionPool.from_url(
            place,
            client_name=client_name,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=AsyncRetry(NoBackoff(), retries),
            max_connections=max_connections,
            timeout=2 * timeout_seconds,  # redis-py's other pool refuses what is beyond its limit
            **login,
            **async_cluster_options(place),
        )
    return async_redis.Redis.from_pool(pool)


@contextmanager
def _address_errors() -> Iterator[None]:
    try:
        yield
    except ValueError:
        # Not chained: the parser's message may quote a part of a mistyped password.
        raise SettingsError(
            "the address of Redis cannot be read",
            "Write redis://host:6379/0, and percent-encode special characters in a password",
        ) from None


def redis_unavailable(address: str, error: redis.RedisError) -> ServiceUnavailable:
    """What redis-py raises as rtp's own error, on one line; the address must hold no secrets."""
    return ServiceUnavailable("Redis", address, one_line(error))


@contextmanager
def redis_errors(address: str, into: type[ServiceUnavailable] = ServiceUnavailable) -> Iterator[None]:
    """Raise the errors of redis-py as rtp's own, of that class; the address must hold no secrets."""
    try:
        yield
    except redis.RedisError as error:
        raise into("Redis", address, one_line(error)) from error
