"""Reading pgoutput's messages, as PostgreSQL's documentation lays them out."""

from __future__ import annotations

import struct

from loadtests.benchmarks.peers.pgoutput import Messages

RELATION = b"\0\0\x40\x01"


def relation(*columns: str) -> bytes:
    """What the server says of a table before its first row."""
    described = b"".join(b"\x01" + name.encode() + b"\0" + struct.pack("!Ii", 25, -1) for name in columns)
    return b"R" + RELATION + b"public\0tvl\0d" + struct.pack("!H", len(columns)) + described


def row(*values: str | None) -> bytes:
    """A row's values as text."""
    encoded = (b"n" if value is None else b"t" + struct.pack("!I", len(value)) + value.encode() for value in values)
    return struct.pack("!H", len(values)) + b"".join(encoded)


def test_an_update_gives_its_new_row() -> None:
    messages = Messages()
    assert list(messages.decode(relation("protocol", "source"))) == []
    assert list(messages.decode(b"U" + RELATION + b"N" + row("p1", "7"))) == [{"protocol": "p1", "source": "7"}]


def test_an_old_row_in_front_is_passed_over() -> None:
    messages = Messages()
    list(messages.decode(relation("protocol", "source")))
    update = b"U" + RELATION + b"O" + row("p1", "6") + b"N" + row("p1", "7")
    assert list(messages.decode(update)) == [{"protocol": "p1", "source": "7"}]


def test_null_is_no_text() -> None:
    messages = Messages()
    list(messages.decode(relation("protocol", "source")))
    assert list(messages.decode(b"U" + RELATION + b"N" + row("p1", None))) == [{"protocol": "p1", "source": ""}]


def test_other_messages_hold_no_row() -> None:
    assert list(Messages().decode(b"B" + bytes(20))) == []
