"""How connections to Redis log in whose password is kept elsewhere: with what it was, and once with what it is now."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import redis

from rtp_client.stored_password import SecretUnavailable, split_secret, stored_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import asyncio as async_redis
    from redis.connection import AbstractConnection

    from rtp_client.stored_password import Login, StoredPassword


class StoredCredentials(redis.CredentialProvider):
    """The login that a secret holds; where it names no user, the address's. Raises redis.ConnectionError."""

    def __init__(self, stored: StoredPassword, user: str | None) -> None:
        self._stored = stored
        self._user = user

    def login(self) -> Login:
        """What the secret held when it was last read."""
        with _errors_as_of_redis():
            return self._stored.login()

    def has_other_than(self, refused: Login) -> bool:
        """Whether there is another login than the refused one."""
        with _errors_as_of_redis():
            return self._stored.has_other_than(refused)

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """See redis.CredentialProvider."""
        login = self.login()
        user = login.user or self._user
        return (user, login.password) if user else (login.password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """See redis.CredentialProvider."""
        return await asyncio.to_thread(self.get_credentials)


def login_options(url: str) -> tuple[str, dict[str, Any]]:
    """An address without its secret, and what `redis.Redis.from_url` takes besides where it has one."""
    place, credentials = _split(url)
    return place, {"credential_provider": credentials, "redis_connect_func": log_in} if credentials else {}


def async_login_options(url: str) -> tuple[str, dict[str, Any]]:
    """The same for redis.asyncio."""
    place, credentials = _split(url)
    return place, {"credential_provider": credentials, "redis_connect_func": log_in_async} if credentials else {}


def _split(url: str) -> tuple[str, StoredCredentials | None]:
    address, secret = split_secret(url)
    if secret is None:
        return url, None
    parts = urlsplit(address)
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return place, StoredCredentials(stored_password(secret), unquote(parts.username or ""))


def log_in(connection: AbstractConnection) -> None:
    """Say who this is, as a new connection must."""
    credentials = connection.credential_provider
    if not isinstance(credentials, StoredCredentials):
        connection.on_connect()  # type: ignore[no-untyped-call]
        return
    login = credentials.login()
    try:
        connection.on_connect()  # type: ignore[no-untyped-call]
    except redis.AuthenticationError:
        if not credentials.has_other_than(login):
            raise
        connection.on_connect()  # type: ignore[no-untyped-call]


async def log_in_async(connection: async_redis.connection.AbstractConnection) -> None:
    """The same for asyncio."""
    credentials = connection.credential_provider
    if not isinstance(credentials, StoredCredentials):
        await connection.on_connect()
        return
    login = await asyncio.to_thread(credentials.login)
    try:
        await connection.on_connect()
    except redis.AuthenticationError:
        if not await asyncio.to_thread(credentials.has_other_than, login):
            raise
        await connection.on_connect()


@contextmanager
def _errors_as_of_redis() -> Iterator[None]:
    try:
        yield
    except SecretUnavailable as error:
        raise redis.ConnectionError(str(error)) from error
