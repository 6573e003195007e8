"""What all tests share: one embedded stack per session, and a clean piece of it per test.

A stack that does not start fails the tests; it never skips them.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest
import redis
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.demo.tables import create_tables
from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from tests.assembly import prepare, synthesise
from tests.effort import IS_LONG
from tests.scratch import scratch_folder
from tests.unfollowed import COVERED_BY_OTHERS
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient


# A shell that starts the tests in the background has them ignore SIGINT, nohup SIGHUP, and every process they start
# inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Some containers forbid it. Then each process that the tests start would compile all its modules: a second of CPU.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

os.environ["TMPDIR"] = str(scratch_folder())
tempfile.tempdir = None

hypothesis.settings.load_profile("long" if IS_LONG else "short")


_OBJECTS_BETWEEN_COLLECTIONS = 50_000

gc.disable()  # until all is collected: it finds next to nothing, and takes a fifth of that time


def pytest_configure(config: pytest.Config) -> None:
    """Stop the first of two that pytest-cov starts in each worker: nobody has its data, and it follows `no_cover`."""
    if "PYTEST_XDIST_WORKER" in os.environ and config.pluginmanager.hasplugin("_cov"):
        from coverage import Coverage  # noqa: PLC0415  (only where it is asked for)

        if (first := Coverage.current()) is not None:
            first.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Follow imports in one worker only: all import the same, and followed it takes a third longer."""
    cov = session.config.pluginmanager.getplugin("_cov")
    is_another = os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0"
    if cov is None or cov.cov_controller is None or not is_another:
        return (yield)
    cov.cov_controller.pause()
    try:
        return (yield)
    finally:
        cov.cov_controller.resume()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Follow no test of an rtp that is a process of its own, as what runs in the tests' process there is theirs.

    Nor any that adds nothing to what is covered.
    """
    for item in items:
        folder = item.path.parent.name
        if folder == "e2e" or f"{folder}/{item.path.name}" in COVERED_BY_OTHERS:
            item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish() -> None:
    """Keep the thousands of tests, and what they import, out of each garbage collection: a twentieth of the CPU.

    And collect seldom: what is left of a test is small, and most of it goes without.
    """
    gc.enable()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """What a command within the test's process does to signals ends with it: after Ctrl-C all others are ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.getsignal(number)) for number in numbers]
    try:
        return (yield)
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@dataclass(frozen=True)
class SqsQueue:
    """A FIFO queue of one test and its dead-letter queue (after 3 receives)."""

    name: str
    url: str
    dlq_name: str
    dlq_url: str
    endpoint_url: str
    region: str


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """The session's servers. A test that hurts one must bring it back before it ends."""
    with pytest.MonkeyPatch.context() as patch:
        # Not where `rtp tail` looks: a developer's own demo may run at the same time.
        patch.setenv("RTP_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        with EmbeddedStack(durable=False) as running:
            _shorten_logins(running.addresses.postgres_dsn)
            patch.setenv("AWS_ACCESS_KEY_ID", running.addresses.aws_access_key_id)
            patch.setenv("AWS_SECRET_ACCESS_KEY", running.addresses.aws_secret_access_key)
            patch.setenv("AWS_DEFAULT_REGION", running.addresses.aws_region)
            patch.delenv("AWS_SESSION_TOKEN", raising=False)
            patch.delenv("AWS_PROFILE", raising=False)
            patch.setenv("AWS_CONFIG_FILE", os.devnull)
            yield running


def _shorten_logins(dsn: str) -> None:
    """Spare each login 4095 rounds of hashing: 2 ms of CPU, and the tests log in some ten thousand times."""
    password = sql.Literal(conninfo_to_dict(dsn)["password"])
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.info.server_version >= 160000:
            connection.execute("SET scram_iterations = 1")
        connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(password))


class Admin:
    """Makes and drops databases on a connection that is kept: one for each costs more than the database does."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection = psycopg.connect(dsn, autocommit=True)

    @contextmanager
    def copy_of(self, template: str) -> Iterator[str]:
        """The DSN of a copy that exists within the block."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        # Copying files takes a third of writing the copy to the log.
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        yield f"{self._dsn.rpartition('/')[0]}/{name}"
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        self._connection.close()

    def _execute(self, statement: sql.Composed) -> None:
        try:
            self._connection.execute(statement)
        except psycopg.OperationalError:  # a test has restarted the server
            self.close()
            self._connection = psycopg.connect(self._dsn, autocommit=True)
            self._connection.execute(statement)


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the CDK's templates; made once for all workers, as it takes many seconds of CPU."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "deployment"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "refused.json").exists():  # written last
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            prepare(folder)
            synthesise(folder)
    return folder / "out"


@pytest.fixture(scope="session")
def _admin(stack: EmbeddedStack) -> Iterator[Admin]:
    with closing(Admin(stack.addresses.postgres_dsn)) as admin:
        yield admin


@pytest.fixture
def database(_admin: Admin) -> Iterator[str]:
    """The DSN of an empty database that exists for this test only."""
    with _admin.copy_of("template0") as dsn:
        yield dsn


@pytest.fixture(scope="module")
def module_database(_admin: Admin) -> Iterator[str]:
    """The DSN of an empty database for all tests of a file."""
    with _admin.copy_of("template0") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def _template(_admin: Admin) -> Iterator[str]:
    """The name of a database with the demo's tables, watched as configs/default.yaml says; made once, then copied."""
    with _admin.copy_of("template0") as dsn:
        settings = load_settings(None, environ={}, options={"postgres.dsn": dsn})
        with closing(connect(dsn, role="test")) as connection:
            create_tables(connection)
            apply(connection, plan_installation(connection, settings))
        yield dsn.rpartition("/")[2]


@pytest.fixture(scope="session")
def _default_settings() -> Settings:
    """As configs/default.yaml says; read once: followed by coverage, that takes longer than making a database."""
    return load_settings(None, environ={}, options={})


@pytest.fixture
def installed(_admin: Admin, _template: str, _default_settings: Settings) -> Iterator[Settings]:
    """Settings whose database holds the demo's tables and rtp's triggers; without any sink."""
    settings = _default_settings
    with _admin.copy_of(_template) as dsn:
        place = {"postgres": settings.postgres.model_copy(update={"dsn": dsn})}
        yield settings.model_copy(update=place | {"sqs": settings.sqs.model_copy(update={"queue": None})})


@pytest.fixture(scope="module")
def shared_settings(
    stack: EmbeddedStack, _admin: Admin, _template: str, module_redis_url: str, sqs_client: SQSClient
) -> Iterator[Settings]:
    """As `settings`, for all tests of a file: none of them may ask for an empty Redis of its own."""
    with _admin.copy_of(_template) as dsn, _queue(stack, sqs_client) as queue:
        places = {"postgres.dsn": dsn, "redis.url": module_redis_url, "sqs.queue": queue.name}
        endpoint = {"sqs.endpoint_url": queue.endpoint_url, "sqs.region": queue.region}
        yield load_settings(None, environ={}, options=places | endpoint)


@pytest.fixture
def settings(installed: Settings, redis_url: str, sqs_queue: SqsQueue) -> Settings:
    """Settings for all of rtp: the installed database, an empty Redis and an empty queue."""
    redis_settings = installed.redis.model_copy(update={"url": redis_url})
    place = {"queue": sqs_queue.name, "endpoint_url": sqs_queue.endpoint_url, "region": sqs_queue.region}
    return installed.model_copy(
        update={"redis": redis_settings, "sqs": installed.sqs.model_copy(update=place)},
    )


@pytest.fixture
def connect_again(installed: Settings) -> Iterator[Callable[[], psycopg.Connection]]:
    """Opens further connections to the installed database, and closes them after the test."""
    with ExitStack() as open_connections:

        def connect_once_more() -> psycopg.Connection:
            return open_connections.enter_context(closing(connect(postgres_dsn(installed), role="test")))

        yield connect_once_more


@pytest.fixture
def writer(connect_again: Callable[[], psycopg.Connection]) -> psycopg.Connection:
    """A connection of someone who writes to the watched tables, in autocommit mode."""
    return connect_again()


@pytest.fixture(scope="session")
def _redis_admin(stack: EmbeddedStack) -> Iterator[redis.Redis]:
    """A client that is kept: one for each test costs more than to empty Redis does."""
    retry = Retry(NoBackoff(), 1)  # a test may have restarted the server
    with redis.Redis.from_url(stack.addresses.redis_url, retry=retry) as client:
        yield client


@pytest.fixture
def redis_url(stack: EmbeddedStack, _redis_admin: redis.Redis) -> str:
    """The address of a Redis that holds nothing."""
    _redis_admin.flushall()
    return stack.addresses.redis_url


@pytest.fixture(scope="module")
def module_redis_url(stack: EmbeddedStack, _redis_admin: redis.Redis) -> str:
    """The same, for all tests of a file: it holds what they put there, and nothing of what others have left."""
    _redis_admin.flushall()
    return stack.addresses.redis_url


@pytest.fixture(scope="session")
def sqs_client(stack: EmbeddedStack) -> Iterator[SQSClient]:
    """A boto3 client of the session's endpoint; made once, as it costs 0.1 s."""
    import boto3  # noqa: PLC0415  (0.2 s, only for the tests that need it)

    client = boto3.client("sqs", endpoint_url=stack.addresses.sqs_endpoint_url, region_name=stack.addresses.aws_region)
    yield client
    client.close()


@pytest.fixture
def sqs_queue(stack: EmbeddedStack, sqs_client: SQSClient) -> Iterator[SqsQueue]:
    """An empty FIFO queue with a dead-letter queue, for this test only."""
    with _queue(stack, sqs_client) as queue:
        yield queue


@contextmanager
def _queue(stack: EmbeddedStack, sqs_client: SQSClient) -> Iterator[SqsQueue]:
    unique = uuid.uuid4().hex[:12]
    name, dlq_name = f"test-{unique}.fifo", f"test-{unique}-dlq.fifo"
    dlq_url = sqs_client.create_queue(QueueName=dlq_name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    place = f"arn:aws:sqs:{stack.addresses.aws_region}:000000000000"
    redrive = json.dumps({"deadLetterTargetArn": f"{place}:{dlq_name}", "maxReceiveCount": 3})
    url = sqs_client.create_queue(
        QueueName=name,
        Attributes={
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "RedrivePolicy": redrive,
        },
    )["QueueUrl"]
    addresses = stack.addresses
    yield SqsQueue(name, url, dlq_name, dlq_url, addresses.sqs_endpoint_url, addresses.aws_region)
    for queue_url in (url, dlq_url):
        sqs_client.delete_queue(QueueUrl=queue_url)
