"""Whoever does what the documents say, block by block, gets no error."""

from __future__ import annotations

import socket
import uuid
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pytest

from cli.demo_notifications import catching
from core.sinks.redis import RedisSink
from tests.newcomer import Newcomer
from tests.page_blocks import blocks_of
from tests.rtp_process import ROOT, environ_of
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from core.settings.models import Settings
    from tests.command import Command

PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if blocks_of(page)
]


TABLES = """
CREATE SCHEMA market;
CREATE TABLE market.price_samples (
    chain text, symbol text, price numeric, time timestamptz, PRIMARY KEY (chain, symbol, time)
);
CREATE SCHEMA analytics;
CREATE TABLE analytics.protocol_tvl (
    network text, slug text, tvl numeric, updated_at timestamptz, PRIMARY KEY (network, slug)
);
INSERT INTO analytics.protocol_tvl VALUES ('ethereum', 'lido', 31000000000, now()), ('base', 'aave', 1000000, now());
CREATE TABLE pools (chain text, pool_id text, apy numeric, PRIMARY KEY (chain, pool_id));
INSERT INTO tvl VALUES ('ethereum', 'lido', 31000000000, 'llama');
INSERT INTO prices VALUES ('ethereum', 'usdc', 1.0002, 0.99, 'llama');
"""
"""What the pages take for there: the tables of the tutorial, with rows."""
LETTER = """
INSERT INTO rtp.dead_letter (id, sink, event_id, event, error, attempts) OVERRIDING SYSTEM VALUE
    VALUES (%s, 'sqs', %s, %s, 'too large', 10)
"""
QUEUES = ("rtp-whales.fifo", "rtp-depegs.fifo", "rtp-depegs-dlq.fifo")


def put_letters(writer: psycopg.Connection) -> None:
    """Two events that could not be delivered, by the numbers that the pages have."""
    for number, entity in ((12, "lido"), (13, "aave")):
        event = make_event(number, entity)
        writer.execute(LETTER, [number, number, msgspec.json.encode(event).decode()])


def deliver_events(settings: Settings) -> None:
    """Have the stream hold some, so that whoever follows it sees one."""
    with closing(RedisSink(settings.redis, url=settings.redis.url or "", poll_interval_seconds=1)) as sink:
        moved = {"change_pct": "12.5", "severity": "warning"}
        sink.deliver([make_event(1, **moved), make_event(2, "usdc", kind="price", **moved)])


@pytest.fixture(scope="module")
def _queues(sqs_client: SQSClient) -> Iterator[None]:
    """The queues of the pages' routes."""
    made = [sqs_client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"] for name in QUEUES]
    yield
    for url in made:
        sqs_client.delete_queue(QueueUrl=url)


def free_port() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


def places_of(environ: Mapping[str, str], roles: Sequence[str], gateway: str, catcher: str) -> dict[str, str]:
    """The addresses and names of the pages, and the test's own; longer ones first, as they may hold others."""
    dsn = environ["RTP_POSTGRES_DSN"]
    owner, reader = roles
    own = dict.fromkeys(
        (
            "postgresql://rtp_owner@db.example/defi",
            "postgresql://rtp_owner@localhost/defi",
            "postgresql://reader@localhost/defi",
            "postgresql://localhost/defi",
        ),
        dsn,
    )
    own |= dict.fromkeys(("redis://cache.example:6379/0", "redis://localhost:6379/0"), environ["RTP_REDIS_URL"])
    own |= {"https://rtp.example": f"http://{gateway}"}
    own |= dict.fromkeys(("127.0.0.1:8787", "0.0.0.0:8787", "localhost:8787"), gateway)
    own |= dict.fromkeys(("127.0.0.1:9464", "127.0.0.1:9465"), free_port())
    own |= {
        "json://127.0.0.1:9000": catcher.rpartition("/")[0],
        "tgram://1234567890:AAEtoken": catcher.rpartition("/")[0],
    }
    return own | {
        "DATABASE defi": f'DATABASE "{dsn.rpartition("/")[2]}"',
        "rtp_owner": owner,
        "TO reader": f"TO {reader}",
    }


@pytest.fixture
def roles(writer: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """Names that no other test has: of a role that the pages make, and of one that is there."""
    owner, reader = (f"{name}_{uuid.uuid4().hex[:12]}" for name in ("owner", "reader"))
    writer.execute(f"CREATE ROLE {reader}".encode())
    yield owner, reader
    for role in (owner, reader):
        if writer.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            writer.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


@pytest.mark.usefixtures("_queues")
@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_page_can_be_followed_block_by_block(
    page: Path,
    settings: Settings,
    writer: psycopg.Connection,
    roles: tuple[str, str],
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer.execute(TABLES.encode())
    deliver_events(settings)
    monkeypatch.chdir(tmp_path)
    environ = environ_of(settings)
    # The reference of the commands is in no order of doing: what removes all comes last.
    blocks = sorted(blocks_of(page), key=lambda block: "rtp uninstall-triggers" in block.text)
    if any("rtp dlq" in block.text for block in blocks):
        put_letters(writer)
    with ExitStack() as exits:
        catcher = exits.enter_context(catching())
        environ["DESK_URL"] = environ["BOSS_URL"] = catcher.address("desk")
        places = places_of(environ, roles, free_port(), catcher.address("bot"))
        newcomer = exits.enter_context(Newcomer(tmp_path, command, environ, places))
        for block in blocks:
            newcomer.do(block)
