"""What the tests of the commands share."""

from __future__ import annotations

import secrets
import uuid
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import psycopg
import pytest
import redis
import yaml
from psycopg import sql

from core.demo.tables import create_tables
from core.kinds import SHIPPED
from core.services.postgres import connect
from core.settings.dynamodb import dynamodb_model
from core.settings.models import Settings, postgres_dsn
from core.sinks.redis import RedisSink
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from tests.command import Command, Done
from tests.default_document import default_document
from tests.dynamodb import Table
from tests.eventually import eventually
from tests.mapped import deployed_parameters
from tests.monitored import monitored
from tests.queue_drain import drain_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from loadtests.benchmarks.handler.mapping_parameters import MappingParameters
    from tests.conftest import SqsQueue
    from tests.monitored import Start

CLOUD_SERVICES = ("sqs", "dynamodb", "dynamodbstreams", "lambda", "iam", "s3", "logs", "sts", "secretsmanager")
STREAMS = {"tables": {"tvl": {"table": "tvl"}, "prices": {"table": "prices"}, "protocols": {"table": "protocols"}}}


@pytest.fixture(scope="session")
def deployed(assembly: Path) -> Mapping[str, MappingParameters]:
    """The event source mapping of each watch's stream, as the CDK app deploys it."""
    return deployed_parameters(assembly)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Runs pipelines with their monitoring; all end before the test's services go."""
    with ExitStack() as started:
        yield lambda settings, **options: started.enter_context(monitored(settings, **options))


@pytest.fixture
def validate(command: Command, settings: Settings, tmp_path: Path) -> Callable[..., Done]:
    """Runs `rtp validate` with the default settings, changed as given, against all of rtp's services."""

    def run(
        *arguments: str, dsn: str = "", without: str = "", notify: Sequence[Any] = (), **changes: dict[str, Any]
    ) -> Done:
        document = default_document() | {"notify": list(notify)}
        for name, keys in changes.items():
            document["watches"].setdefault(name, {}).update(keys)
        document["watches"].pop(without, None)
        path = tmp_path / "rtp.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        services = {
            "--config": str(path),
            "--postgres-dsn": dsn or postgres_dsn(settings),
            "--redis-url": settings.redis.url or "",
            "--sqs-endpoint-url": settings.sqs.endpoint_url or "",
            "--sqs-queue": settings.sqs.queue or "",
        }
        return command("validate", *(part for pair in services.items() for part in pair), *arguments)

    return run


@pytest.fixture
def begin(connect_again: Callable[[], psycopg.Connection]) -> Callable[[], psycopg.Connection]:
    """Opens connections that are inside a transaction, which has its id."""

    def begin_one() -> psycopg.Connection:
        connection = connect_again()
        connection.autocommit = False
        connection.execute("SELECT pg_current_xact_id()")
        return connection

    return begin_one


@pytest.fixture
def bare(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database with the demo's tables and without rtp."""
    with closing(connect(database, role="test")) as connection:
        create_tables(connection)
        yield connection


@pytest.fixture
def weak_dsn(bare: psycopg.Connection, database: str) -> Iterator[str]:
    """The same database for a role that may log in, and nothing else."""
    name, password = f"weak_{bare.info.dbname}", secrets.token_hex(8)
    role = sql.Identifier(name)
    bare.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
    address = urlsplit(database)
    yield address._replace(netloc=f"{name}:{password}@{address.hostname}:{address.port}").geturl()
    bare.execute(sql.SQL("DROP OWNED BY {} CASCADE; DROP ROLE {}").format(role, role))


@pytest.fixture
def weak_login(installed: Settings, writer: psycopg.Connection) -> Iterator[str]:
    """The installed database for a role that may log in, and nothing else."""
    name = f"weak_{writer.info.dbname}"
    role = sql.Identifier(name)
    writer.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
    address = urlsplit(postgres_dsn(installed))
    yield address._replace(netloc=f"{name}:x@{address.hostname}:{address.port}").geturl()
    eventually(lambda: not writer.execute("SELECT FROM pg_stat_activity WHERE usename = %s", [name]).rowcount)
    writer.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def desk(sqs_client: SQSClient) -> Iterator[str]:
    """The name of a second queue."""
    name = f"desk-{uuid.uuid4().hex[:12]}.fifo"
    url = sqs_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    yield name
    sqs_client.delete_queue(QueueUrl=url)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the test's Redis; names and values are bytes."""
    with redis.Redis.from_url(redis_url) as made:
        yield made


@pytest.fixture(scope="session")
def cloud(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """Another endpoint, with more services; the session's has only SQS. No command finds it by itself."""
    with ExitStack() as open_until_the_end:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RTP_STATE_DIR", str(tmp_path_factory.mktemp("cloud")))
            running = open_until_the_end.enter_context(EmbeddedStack(durable=False, services=CLOUD_SERVICES))
        yield running


@pytest.fixture
def cloud_store(cloud: EmbeddedStack) -> Iterator[redis.Redis]:
    """A client of that endpoint's Redis, which is empty."""
    with redis.Redis.from_url(cloud.addresses.redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def dynamodb(cloud: EmbeddedStack) -> Iterator[DynamoDBClient]:
    """A client of that endpoint's DynamoDB."""
    client = boto3.client("dynamodb", endpoint_url=cloud.addresses.sqs_endpoint_url, region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def sink(settings: Settings) -> Iterator[RedisSink]:
    """The sink that fills the test's Redis."""
    with closing(RedisSink(settings.redis, url=settings.redis.url or "", poll_interval_seconds=0.001)) as made:
        yield made


@pytest.fixture
def aws(redis_url: str, sqs_queue: SqsQueue) -> Settings:
    """The default watches, fed by DynamoDB tables of the same names."""
    settings = load_settings(None, environ={}, options={"redis.url": redis_url, "sqs.queue": sqs_queue.name})
    sqs = settings.sqs.model_copy(update={"endpoint_url": sqs_queue.endpoint_url, "region": sqs_queue.region})
    return settings.model_copy(update={"sqs": sqs, "dynamodb": dynamodb_model(SHIPPED).model_validate(STREAMS)})


@pytest.fixture
def store(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def tvl() -> Table:
    return Table("tvl", ("chain", "protocol"))


@pytest.fixture
def received(sqs_client: SQSClient, sqs_queue: SqsQueue) -> Callable[[], list[Any]]:
    """Takes all messages off the queue."""

    return lambda: drain_events(sqs_client, sqs_queue.url)
