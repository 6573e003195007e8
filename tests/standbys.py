"""Two `rtp run` on one database, and what they write and deliver: what the tests of leaders and standbys share."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import redis

from rtp_client.keys import STREAM
from tests.eventually import eventually
from tests.rtp_process import RtpProcess, environ_of, rtp

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from core.settings.models import Settings

PATIENT_SECONDS = 40
"""What a loaded machine may need for anything."""


@contextmanager
def run(settings: Settings, config: str, *arguments: str) -> Iterator[RtpProcess]:
    """One `rtp run`."""
    arguments = ("run", "-c", config, "--json", *arguments)
    with rtp(*arguments, environ=environ_of(settings)) as process:
        yield process


@contextmanager
def two_running(settings: Settings, config: str) -> Iterator[tuple[RtpProcess, RtpProcess]]:
    """Two, started together: the one that leads, and its standby."""
    with ExitStack() as both:
        processes = [both.enter_context(run(settings, config)) for _ in range(2)]
        eventually(lambda: sorted(map(role, processes)) == ["leader", "standby"], within_seconds=PATIENT_SECONDS)
        leader, standby = sorted(processes, key=role)
        yield leader, standby


def role(process: RtpProcess) -> str:
    """What it says that it is, at last."""
    documents = process.documents
    return str(documents[-1]["role"]) if documents else ""


def wait_until(process: RtpProcess, wanted: str) -> None:
    """Wait until it says that it is this."""
    eventually(lambda: role(process) == wanted, within_seconds=PATIENT_SECONDS)


def write(connection: psycopg.Connection, value: int, entity: int = 0) -> None:
    """One step of one entity; every one is an event, but the first."""
    connection.execute(
        "INSERT INTO tvl VALUES ('ethereum', %s, %s, 'llama')"
        " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
        [f"p{entity}", 2 ** (value % 50)],
    )


def in_log(connection: psycopg.Connection) -> list[tuple[str, int]]:
    """Entity and sequence of every event in the log."""
    return connection.execute("SELECT entity, id FROM rtp.event ORDER BY id").fetchall()


def in_stream(settings: Settings) -> list[tuple[str, int]]:
    """Entity and sequence of every event in the stream."""
    with redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client:
        entries: Any = client.xrange(STREAM)
    return [(json.loads(e["event"])["data"]["entity"], int(e["sequence"])) for _, e in entries]
