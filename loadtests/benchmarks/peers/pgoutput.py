"""Logical decoding with pgoutput, PostgreSQL's own plugin; the messages as its documentation describes them."""

from __future__ import annotations

import struct
from types import MappingProxyType
from typing import TYPE_CHECKING

from loadtests.benchmarks.peers.logical import Logical
from loadtests.benchmarks.peers.modules import missing_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.benchmarks.peers.logical import Decoder, Row

_COUNT = struct.Struct("!H")
_LENGTH = struct.Struct("!I")


class PgOutput(Logical):
    """Protocol version 1: whole transactions, after their commit."""

    name = "pgoutput"
    plugin = "pgoutput"
    options = MappingProxyType({"proto_version": "1", "publication_names": "peer"})

    def missing(self, programs: Path) -> str | None:
        return missing_module("psycopg2")

    def decoder(self) -> Decoder:
        return Messages().decode


class Messages:
    """Knows each relation's columns, which the server names before the first row of it."""

    def __init__(self) -> None:
        self._columns: dict[bytes, list[str]] = {}

    def decode(self, message: bytes) -> Iterator[Row]:
        """The new row of an update; other messages tell of columns, or of nothing that is needed here."""
        if message[:1] == b"R":
            self._columns[message[1:5]] = _columns(message)
        elif message[:1] == b"U":
            yield dict(zip(self._columns[message[1:5]], _values(message), strict=True))


def _columns(message: bytes) -> list[str]:
    at = message.index(b"\0", 5) + 1  # past the schema
    at = message.index(b"\0", at) + 2  # past the table, and what identifies its rows
    (count,) = _COUNT.unpack_from(message, at)
    at, names = at + 2, []
    for _ in range(count):
        end = message.index(b"\0", at + 1)
        names.append(message[at + 1 : end].decode())
        at = end + 9  # past the type and its modifier
    return names


def _values(message: bytes) -> Iterator[str]:
    """The new row's values; the old one's come first, where the server sends any."""
    at = 5
    if message[at : at + 1] in (b"K", b"O"):
        at, _ = _tuple(message, at + 1)
    _, values = _tuple(message, at + 1)
    return iter(values)


def _tuple(message: bytes, at: int) -> tuple[int, list[str]]:
    (count,) = _COUNT.unpack_from(message, at)
    at, values = at + 2, []
    for _ in range(count):
        if message[at : at + 1] == b"t":
            (length,) = _LENGTH.unpack_from(message, at + 1)
            values.append(message[at + 5 : at + 5 + length].decode())
            at += 5 + length
        else:  # null, or large and unchanged
            values.append("")
            at += 1
    return at, values


PEER = PgOutput()
