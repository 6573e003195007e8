"""Passwords that Secrets Manager keeps are rotated without a deployment: each new connection logs in with today's."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
import redis
from psycopg import sql

from core.cache.readers import cache_reader
from core.handler.build import build_processor
from core.services.postgres import connect
from core.settings.models import postgres_dsn
from core.sinks.settings import load_settings
from rtp_client.errors import ServiceUnavailable
from rtp_client.postgres import AsyncTimedConnection
from rtp_client.redis import async_redis_client, redis_client
from rtp_client.stored_password import with_secret
from tests.dynamodb import Table, put
from tests.fed import fed_document, write_config
from tests.monitored import eventually
from tests.tvl_table import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.settings.models import Settings
    from core.stack import EmbeddedStack
    from tests.command import Command
    from tests.monitored import Start


class Rotated:
    """A user of a server whose password stands in a secret; `address` says so."""

    def __init__(self, secrets: Any, address: str) -> None:
        self.secret = f"rtp/{uuid.uuid4().hex}"
        self.user = f"user_{uuid.uuid4().hex[:8]}"
        parts = urlsplit(address)
        place = parts._replace(netloc=f"{self.user}@{parts.hostname}:{parts.port}").geturl()
        self.place = place
        self.address = with_secret(place, self.secret)
        self._secrets = secrets
        secrets.create_secret(Name=self.secret, SecretString="{}")

    def store(self, text: str) -> None:
        self._secrets.put_secret_value(SecretId=self.secret, SecretString=text)

    def change_password(self, password: str) -> None:
        """At the server only."""
        raise NotImplementedError

    def rotate(self) -> str:
        """Change the password, at the server and in the secret."""
        password = uuid.uuid4().hex
        self.change_password(password)
        self.store(json.dumps({"password": password}))
        return password


class RedisUser(Rotated):
    def __init__(self, secrets: Any, address: str, admin: redis.Redis) -> None:
        super().__init__(secrets, address)
        self._admin = admin
        self.rotate()

    def change_password(self, password: str) -> None:
        self._admin.acl_setuser(
            self.user,
            enabled=True,
            reset_passwords=True,
            passwords=[f"+{password}"],
            keys=["*"],
            channels=["*"],
            commands=["+@all"],
        )


class PostgresUser(Rotated):
    def __init__(self, secrets: Any, address: str, admin: psycopg.Connection) -> None:
        super().__init__(secrets, address)
        self._admin = admin
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(self.user)))
        self.rotate()

    def change_password(self, password: str) -> None:
        self._admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(self.user), password))


@pytest.fixture
def secrets(cloud: EmbeddedStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    endpoint = cloud.addresses.sqs_endpoint_url
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint or "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def redis_user(secrets: Any, redis_url: str) -> Iterator[RedisUser]:
    with redis.Redis.from_url(redis_url) as admin:
        user = RedisUser(secrets, redis_url, admin)
        yield user
        admin.acl_deluser(user.user)


@pytest.fixture
def postgres_user(secrets: Any, installed: Settings, writer: psycopg.Connection) -> Iterator[PostgresUser]:
    user = PostgresUser(secrets, postgres_dsn(installed), writer)
    yield user
    writer.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user.user)))


def test_a_connection_to_redis_logs_in_with_todays_password(redis_user: RedisUser) -> None:
    with redis_client(redis_user.address) as client:
        assert client.acl_whoami() == redis_user.user
        redis_user.rotate()
        assert client.acl_whoami() == redis_user.user, "a connection that is there stays"
        client.connection_pool.disconnect()
        assert client.acl_whoami() == redis_user.user


def test_a_connection_to_redis_for_asyncio_does_too(redis_user: RedisUser) -> None:
    async def look() -> None:
        client = async_redis_client(redis_user.address, client_name="test", timeout_seconds=5, max_connections=2)
        assert await client.acl_whoami() == redis_user.user
        redis_user.rotate()
        await client.connection_pool.disconnect()
        assert await client.acl_whoami() == redis_user.user
        await client.aclose()

    asyncio.run(look())


def test_a_connection_to_postgres_logs_in_with_todays_password(postgres_user: PostgresUser) -> None:
    connect(postgres_user.address, role="test").close()
    postgres_user.rotate()
    with closing(connect(postgres_user.address, role="test")) as connection:
        assert connection.info.user == postgres_user.user


def test_a_connection_to_postgres_for_asyncio_does_too(postgres_user: PostgresUser) -> None:
    async def users() -> list[str]:
        found = []
        for _ in range(2):
            async with await AsyncTimedConnection.connect(postgres_user.address) as connection:
                found.append(connection.info.user)
            postgres_user.rotate()
        return found

    assert asyncio.run(users()) == [postgres_user.user] * 2


def test_a_cache_reader_reads_both_with_todays_passwords(
    settings: Settings, writer: psycopg.Connection, redis_user: RedisUser, postgres_user: PostgresUser
) -> None:
    write(writer, 100)
    writer.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(postgres_user.user)))
    patient = {"dsn": postgres_user.address, "connect_timeout_seconds": 60}  # asking for the secret is a part of it
    postgres = settings.postgres.model_copy(update=patient)
    own = settings.redis.model_copy(update={"url": redis_user.address})
    with cache_reader(settings.model_copy(update={"postgres": postgres, "redis": own}), timeout_seconds=10) as reader:
        found = reader.get("tvl", "ethereum", "lido")
    assert found is not None
    assert (found.value, found.source) == ("100", "database")


def test_the_secret_may_name_another_user_as_rotation_by_turns_does(redis_user: RedisUser, redis_url: str) -> None:
    redis_user.store(json.dumps({"username": "default", "password": urlsplit(redis_url).password}))
    with redis_client(redis_user.address) as client:
        assert client.acl_whoami() == "default"


def test_the_secret_may_be_the_password_alone(redis_user: RedisUser) -> None:
    redis_user.store(f"{redis_user.rotate()}\n")
    with redis_client(redis_user.address) as client:
        assert client.acl_whoami() == redis_user.user


def test_a_password_that_is_refused_is_said_and_not_shown(postgres_user: PostgresUser) -> None:
    password = postgres_user.rotate()
    postgres_user.change_password("another")
    with pytest.raises(ServiceUnavailable) as caught:
        connect(postgres_user.address, role="test")
    assert "password authentication failed" in str(caught.value)
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "cause"), [("{}", "holds JSON without a `password`"), (None, "cannot be read: ResourceNotFoundException")]
)
def test_a_secret_that_cannot_be_used_is_named(
    redis_user: RedisUser, secrets: Any, text: str | None, cause: str
) -> None:
    if text is None:
        secrets.delete_secret(SecretId=redis_user.secret, ForceDeleteWithoutRecovery=True)
    else:
        redis_user.store(text)
    with redis_client(redis_user.address) as client, pytest.raises(redis.ConnectionError) as caught:
        client.ping()
    assert str(caught.value) == f"secret {redis_user.secret} {cause}"


def test_rotation_while_rtp_runs_holds_nothing_up(
    start: Start, settings: Settings, writer: psycopg.Connection, redis_user: RedisUser, postgres_user: PostgresUser
) -> None:
    writer.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(postgres_user.user)))
    postgres = settings.postgres.model_copy(update={"dsn": postgres_user.address})
    own = settings.redis.model_copy(update={"url": redis_user.address})
    start(settings.model_copy(update={"postgres": postgres, "redis": own}))
    with redis.Redis.from_url(settings.redis.url or "") as admin:
        write(writer, 100, 200)
        eventually(lambda: admin.xlen("rtp:stream") == 1)
        redis_user.rotate()
        postgres_user.rotate()
        admin.execute_command("CLIENT", "KILL", "USER", redis_user.user)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
        writer.execute(end, [postgres_user.user])
        write(writer, 400)
        eventually(lambda: admin.xlen("rtp:stream") == 2)


def test_the_environment_names_the_secrets_of_a_command(
    command: Command, settings: Settings, installed: Settings, redis_user: RedisUser, secrets: Any
) -> None:
    dsn = urlsplit(installed.postgres.dsn or "")
    postgres = f"rtp/{uuid.uuid4().hex}"
    secrets.create_secret(Name=postgres, SecretString=json.dumps({"password": dsn.password}))
    environ = {
        "RTP_POSTGRES_DSN": dsn._replace(netloc=f"{dsn.username}@{dsn.hostname}:{dsn.port}").geturl(),
        "RTP_POSTGRES_SECRET": postgres,
        "RTP_REDIS_URL": redis_user.place,
        "RTP_REDIS_SECRET": redis_user.secret,
        "RTP_SQS_ENDPOINT_URL": settings.sqs.endpoint_url or "",
        "RTP_SQS_QUEUE": settings.sqs.queue or "",
    }
    done = command("validate", environ=environ)
    assert (done.code, "All is well" in done.out) == (0, True)


def test_the_environment_names_the_secret_of_the_handlers_redis(
    redis_user: RedisUser, cloud: EmbeddedStack, tmp_path: Path
) -> None:
    config = write_config(tmp_path, fed_document(cloud, "tvl"))
    environ = {"RTP_REDIS_URL": redis_user.place, "RTP_REDIS_SECRET": redis_user.secret}
    processor = build_processor(load_settings(config, environ=environ, options={}))
    table = Table("tvl", ("chain", "protocol"))
    assert processor.process([put(table, "100"), put(table, "102")]).failed is None
