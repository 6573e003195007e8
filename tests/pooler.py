"""What may stand between rtp and PostgreSQL: a pooler of transactions, as PgBouncer is one with that `pool_mode`.

Clients are many and server processes few. A client gets a server process with the first message of a transaction, and
gives it back when the server says that it is idle: the next transaction gets the one that was given back last. All else
passes unread, so what a session keeps (prepared statements, settings, locks, LISTEN) stays with the server process.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_STARTUP = 3 << 16
_NO_ENCRYPTION = b"N"
_IDLE = b"I"
_ASKS = (b"Q", b"S")  # a query, and the end of a series of messages: the server answers both with "ready"
_READY, _TERMINATE, _NOTIFICATION = b"Z", b"X", b"A"
_KEPT = """SELECT name FROM pg_settings WHERE source = 'session' AND name NOT LIKE 'transaction!_%' ESCAPE '!'
    UNION ALL SELECT name FROM pg_prepared_statements
    UNION ALL SELECT 'channel ' || channel FROM pg_listening_channels() AS channel
    UNION ALL SELECT 'lock' FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"""


class TransactionPooler:
    """Listens on a port of its own, for as long as it is open; `processes` are the server's that it gives out."""

    def __init__(self, dsn: str, *, size: int = 2) -> None:
        self._logins = [psycopg.connect(dsn, autocommit=True) for _ in range(size)]
        self._servers = [_line_of(login) for login in self._logins]
        self._free = list(self._servers)
        self._changed = threading.Condition()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._welcome, daemon=True).start()

    @property
    def processes(self) -> list[int]:
        return [login.info.backend_pid for login in self._logins]

    def close(self) -> None:
        for line in (self._door, *self._lines, *self._servers):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        for login in self._logins:
            login.close()

    def _welcome(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._lines.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, _Gone), client:
            _shake_hands(client)
            while True:
                first = _receive(client)
                if first[:1] == _TERMINATE:
                    return
                server = self._take()
                try:
                    last_words = _relay_transaction(client, server, first)
                finally:
                    self._give_back(server)
                # A client that has heard all may count on it that its server process was given back.
                client.sendall(last_words)

    def _take(self) -> socket.socket:
        with self._changed:
            self._changed.wait_for(lambda: self._free)
            return self._free.pop()

    def _give_back(self, server: socket.socket) -> None:
        with self._changed:
            self._free.append(server)
            self._changed.notify()


class DeafProxy:
    """Passes on whole sessions, and of what the server says all but notifications."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._welcome, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _welcome(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, _Gone), client, psycopg.connect(self._dsn, autocommit=True) as login:
            _shake_hands(client)
            with _line_of(login) as server:
                said = _Messages()
                while True:
                    for line in select.select((client, server), (), ())[0]:
                        received = _receive(line)
                        if line is client:
                            server.sendall(received)
                        else:
                            heard = [_message(kind, body) for kind, body in said.cut(received) if kind != _NOTIFICATION]
                            client.sendall(b"".join(heard))


class _Gone(Exception):
    """One side has hung up."""


class _Messages:
    """Cuts a stream of bytes into messages: a letter, a length, a body."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, received: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._rest += received
        while len(self._rest) >= 5:
            end = 1 + struct.unpack("!I", self._rest[1:5])[0]
            if len(self._rest) < end:
                return
            yield self._rest[:1], self._rest[5:end]
            self._rest = self._rest[end:]


def _line_of(login: psycopg.Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(login.fileno()))


def _shake_hands(client: socket.socket) -> None:
    while True:
        length, code = struct.unpack("!II", _exactly(client, 8))
        _exactly(client, length - 8)
        if code == _STARTUP:
            break
        client.sendall(_NO_ENCRYPTION)
    settings = {"server_version": "18.0", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
    told = b"".join(_message(b"S", name.encode() + b"\0" + value.encode() + b"\0") for name, value in settings.items())
    key = _message(b"K", struct.pack("!II", 1, 1))
    client.sendall(_message(b"R", struct.pack("!I", 0)) + told + key + _message(_READY, _IDLE))


def _relay_transaction(client: socket.socket, server: socket.socket, first: bytes) -> bytes:
    """Pass on both ways until the server is idle and owes no answer. Returns the last that it said, for the client."""
    asked, answered = _Messages(), _Messages()
    owed = sum(kind in _ASKS for kind, _ in asked.cut(first))
    server.sendall(first)
    while True:
        for line in select.select((client, server), (), ())[0]:
            received = _receive(line)
            if line is client:
                owed += sum(kind in _ASKS for kind, _ in asked.cut(received))
                server.sendall(received)
                continue
            ready = [body for kind, body in answered.cut(received) if kind == _READY]
            owed -= len(ready)
            if ready and not owed and ready[-1] == _IDLE:
                return received
            client.sendall(received)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", 4 + len(body)) + body


def _receive(line: socket.socket, size: int = 65536) -> bytes:
    received = line.recv(size)
    if not received:
        raise _Gone
    return received


def _exactly(line: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        received += _receive(line, size - len(received))
    return received


def kept_in(through: str) -> list[tuple[str]]:
    """What somebody has left in the pooler's two sessions."""
    with psycopg.connect(through) as one, psycopg.connect(through) as other:  # a transaction each
        return [row for guest in (one, other) for row in guest.execute(_KEPT).fetchall()]
