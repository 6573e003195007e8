"""The peers that take part. A new peer is a module, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.benchmarks.peers import notify, outbox, pgoutput, pgq, pgqueuer, rtp_reader, rtp_run, wal2json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.benchmarks.peers.peer import Peer

PEERS: Mapping[str, Peer] = {
    "rtp": rtp_run.PEER,
    "reader": rtp_reader.PEER,
    "notify": notify.PEER,
    "outbox": outbox.PEER,
    "pgoutput": pgoutput.PEER,
    "wal2json": wal2json.PEER,
    "pgq": pgq.PEER,
    "pgqueuer": pgqueuer.PEER,
}
