"""Logical decoding with wal2json, format version 2: one JSON document per row."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from loadtests.benchmarks.peers.logical import Logical
from loadtests.benchmarks.peers.modules import missing_library, missing_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.benchmarks.peers.logical import Decoder, Row


class Wal2Json(Logical):
    """Told to send the one table, and no marks of transactions."""

    name = "wal2json"
    plugin = "wal2json"
    options = MappingProxyType({"format-version": "2", "add-tables": "public.tvl", "include-transaction": "0"})

    def missing(self, programs: Path) -> str | None:
        return missing_module("psycopg2") or missing_library(programs, "wal2json.so", "postgresql-15-wal2json")

    def decoder(self) -> Decoder:
        return _decode


def _decode(message: bytes) -> Iterator[Row]:
    document = json.loads(message)
    if document["action"] == "U":
        yield {column["name"]: str(column["value"]) for column in document["columns"]}


PEER = Wal2Json()
