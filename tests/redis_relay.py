"""A way to the real Redis that a test can block: each batch before it passes, and all answers to batches."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from rtp_client.keys import STREAM


@dataclass
class RedisRelay:
    """What is done to batches and answers that pass."""

    url: str = ""
    batches: int = 0
    on_batch: Callable[[], bool] = lambda: True  # whether it passes
    keeps_answers: bool = False  # on connections that a batch came over

    def let_all_pass(self) -> None:
        self.on_batch, self.keeps_answers = lambda: True, False


@contextmanager
def redis_relay(url: str) -> Iterator[RedisRelay]:
    """Run one."""
    parts = urlsplit(url)
    relay = RedisRelay()

    class Connection(socketserver.BaseRequestHandler):
        has_batches = False

        def handle(self) -> None:
            with socket.create_connection((parts.hostname or "", parts.port or 0)) as server:
                thread = threading.Thread(target=self._pass_answers, args=(server,))
                thread.start()
                with suppress(ConnectionError):
                    self._pass_requests(server)
                with suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)
                thread.join()

        def _pass_requests(self, server: socket.socket) -> None:
            for command in _commands(self.request):
                if STREAM.encode() in command and b"EVALSHA" in command:
                    self.has_batches = True
                    relay.batches += 1
                    if not relay.on_batch():
                        continue
                server.sendall(command)

        def _pass_answers(self, server: socket.socket) -> None:
            with suppress(OSError):
                while piece := server.recv(65_536):
                    if not (self.has_batches and relay.keeps_answers):
                        self.request.sendall(piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as listener:
        listener.daemon_threads = True
        relay.url = url.replace(f":{parts.port}/", f":{listener.server_address[1]}/")
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield relay
        listener.shutdown()
        thread.join()


def _commands(client: socket.socket) -> Iterator[bytes]:
    """One by one, however many arrive together."""
    with client.makefile("rb") as sent:
        while head := sent.readline():
            parts = [head]
            for _ in range(int(head[1:])):
                length = sent.readline()
                parts += length, sent.read(int(length[1:]) + 2)
            yield b"".join(parts)
