"""All peers, one after the other, each on a fresh server; the bare table on one that stays."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from core.errors import RtpError
from core.services.postgres import connect
from core.stack import EmbeddedStack
from core.stack.binaries import postgres_folder
from loadtests.benchmarks.contestants import has_pgq
from loadtests.benchmarks.peers.contest import Contest, bare_server_cpu, servers_of
from loadtests.benchmarks.peers.figures import Figures
from loadtests.benchmarks.peers.peer import Place
from loadtests.benchmarks.peers.workload import WrittenTable
from loadtests.shared.machine import machine_facts
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadtests.benchmarks.peers.contest import Effort
    from loadtests.benchmarks.peers.peer import Peer

BARE = "bare table"
_DISTRIBUTIONS = "usr/lib/postgresql/*/bin"


def find_server() -> Path | None:
    """One server for all: the one that most peers can run on, which is one with PgQ; else the embedded one (None)."""
    return next((folder for folder in sorted(Path("/").glob(_DISTRIBUTIONS)) if has_pgq(folder)), None)


def compare(
    peers: Sequence[Peer], effort: Effort, server: Path | None, on_step: Callable[[str], None]
) -> tuple[list[Figures], Mapping[str, str]]:
    """A row per peer, the bare table first, and the facts about machine and servers."""
    programs = postgres_folder(server)[0]
    with EmbeddedStack(postgres_bin=server) as stack:
        bare = WrittenTable(stack.addresses.postgres_dsn, programs)
        bare.create_table()
        on_step(BARE)
        cpu, per_second = bare_server_cpu(bare, servers_of(stack), effort)
        rows = [Figures(BARE, server_cpu_seconds=cpu, writer_share=1.0, writes_per_second=per_second)]
        with connect(stack.addresses.postgres_dsn, role="peers") as connection:
            facts = machine_facts(connection, stack.addresses.redis_url)
        for number, peer in enumerate(peers, 1):

            def on_peers_step(step: str, name: str = f"{number} of {len(peers)}, {peer.name}") -> None:
                on_step(f"{name}: {step}")

            rows.append(_figures(peer, effort, server, programs, bare, on_peers_step))
    return rows, facts


def _figures(
    peer: Peer, effort: Effort, server: Path | None, programs: Path, bare: WrittenTable, on_step: Callable[[str], None]
) -> Figures:
    figures = Figures(peer.name, absent=peer.missing(programs))
    if figures.absent:
        on_step(figures.absent)
        return figures
    with EmbeddedStack(postgres_bin=server) as stack, tempfile.TemporaryDirectory(prefix="rtp-peers-") as folder:
        _configure(stack, peer.server_settings)
        place = Place(stack.addresses.postgres_dsn, stack.addresses.redis_url, programs, Path(folder))
        WrittenTable(place.dsn, programs).create_table()
        try:
            peer.install(place)
            with (
                peer.beside(place) as helpers,
                closing(Contest(peer, place, servers_of(stack), helpers, effort)) as contest,
            ):
                contest.measure(figures, bare, on_step)
        except (RtpError, psycopg.Error) as error:
            figures.absent = f"failed: {one_line(error)}"
            on_step(figures.absent)
    return figures


def _configure(stack: EmbeddedStack, settings: Mapping[str, str]) -> None:
    if not settings:
        return
    with connect(stack.addresses.postgres_dsn, role="peers") as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    stack.postgres.restart()
