"""Logical decoding over a replication connection, with psycopg2: its own read_message loop and confirmations."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.services.postgres import connect, queries
from loadtests.benchmarks.peers.peer import Place, PythonPeer

if TYPE_CHECKING:
    from loadtests.benchmarks.peers.receipts import Receipts

Row = Mapping[str, str]
Decoder = Callable[[bytes], Iterator[Row]]
SLOT = "peer"
_QUERIES = queries("loadtests.benchmarks.peers", "install.sql")
_CONFIRM_SECONDS = 1


class Logical(PythonPeer):
    """A slot, and a consumer that reads what an output plugin makes of the log."""

    plugin: str
    options: Mapping[str, str]
    server_settings = MappingProxyType({"wal_level": "logical", "max_wal_senders": "4"})

    def install(self, place: Place) -> None:
        with connect(place.dsn, role="peers") as connection:
            if self.plugin == "pgoutput":
                connection.execute(_QUERIES["publication"])
            connection.execute(_QUERIES["create_slot"], [self.plugin])

    def decoder(self) -> Decoder:
        raise NotImplementedError

    def consume(self, dsn: str, receipts: Receipts) -> None:
        import psycopg2.extras  # noqa: PLC0415 - not there everywhere

        decode = self.decoder()
        connection = psycopg2.connect(dsn, connection_factory=psycopg2.extras.LogicalReplicationConnection)
        cursor: Any = connection.cursor()
        cursor.start_replication(slot_name=SLOT, decode=False, options=self.options, status_interval=_CONFIRM_SECONDS)
        seen = 0
        while True:
            message = cursor.read_message()
            if message:
                seen = message.data_start
                for row in decode(message.payload):
                    receipts.note(row["protocol"], row["source"], row["updated_at"])
                continue
            receipts.flush()
            if seen:
                cursor.send_feedback(flush_lsn=seen)
            select.select([cursor], [], [], _CONFIRM_SECONDS)
