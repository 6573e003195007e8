"""Commands of Redis as they go over the wire."""

from __future__ import annotations

import pytest

from rtp_client.packer import Packer


@pytest.mark.parametrize(
    ("command", "packed"),
    [
        (("GET", "ké"), b"*2\r\n$3\r\nGET\r\n$3\r\nk\xc3\xa9\r\n"),
        (
            ("SCRIPT LOAD", b"\xff", 7, 1.5),
            b"*5\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$1\r\n\xff\r\n$1\r\n7\r\n$3\r\n1.5\r\n",
        ),
        ((b"PING",), b"*1\r\n$4\r\nPING\r\n"),
    ],
)
def test_a_command_is_packed_as_the_protocol_wants_it(command: tuple[str, ...], packed: bytes) -> None:
    assert b"".join(Packer().pack(*command)) == packed
