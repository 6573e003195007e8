"""The HTTP server of `rtp run --http`.

Small on purpose: one thread waits for all clients at once, each connection is one request without a body, and ends some
seconds after it began. Where there are very many connections, the one that has been there longest makes room: clients
that say nothing, or read nothing, keep nobody out. What takes time is reckoned in a thread of its own, so that a probe
is answered meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.monitor.answers import NO_REQUEST
from core.settings.addresses import listening_at

if TYPE_CHECKING:
    from core.monitor.answers import Answers

_MOST_CONNECTIONS = 200
_WAITING_CONNECTIONS = 1024
_REQUEST_SECONDS = 5.0
_MOST_LINES = 100
_LONGEST_LINE = 8192


class MonitorServer:
    """Listens from the beginning; answers from `start` on. Raises SettingsError where it cannot listen."""

    def __init__(self, listen: str, answers: Answers) -> None:
        self._answers = answers
        self._socket = listen_on(listen, "http.listen")
        self._clients: dict[asyncio.StreamWriter, None] = {}
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # a client that hangs up in the middle is no news
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        self._reckoning = ThreadPoolExecutor(1, thread_name_prefix="rtp-http-metrics")
        self._latest: tuple[tuple[str, str, str], float, bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="rtp-http", daemon=True)

    @property
    def url(self) -> str:
        host, port, *_ = self._socket.getsockname()
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._reckoning.shutdown(cancel_futures=True)
        self._loop.close()
        self._socket.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._meet, sock=self._socket, limit=_LONGEST_LINE, backlog=_WAITING_CONNECTIONS
        )
        await self._stopping.wait()
        server.close()
        for client in self._clients:
            client.transport.abort()

    async def _meet(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._clients[client] = None
        if len(self._clients) > _MOST_CONNECTIONS:
            longest = next(iter(self._clients))
            del self._clients[longest]
            longest.transport.abort()
        try:
            # Whatever the client does with its connection, and with the answer.
            async with asyncio.timeout(_REQUEST_SECONDS):
                client.write(await self._answer(reader))
                client.close()
                await client.wait_closed()
        except (OSError, EOFError):
            pass
        finally:
            self._clients.pop(client, None)
            client.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            words = (await reader.readline()).decode("latin-1").split()
            headers = await _read_headers(reader)
        except ValueError:  # a line that does not end
            return NO_REQUEST.as_bytes()
        if len(words) != 3 or not words[2].startswith("HTTP/") or headers is None:
            return NO_REQUEST.as_bytes()
        request = (words[0], words[1], headers.get("accept", ""))
        if self._answers.takes_time(words[1]):
            return await self._in_turn(request)
        return self._now(request)

    def _now(self, request: tuple[str, str, str]) -> bytes:
        return self._answers.answer(*request).as_bytes()

    async def _in_turn(self, request: tuple[str, str, str]) -> bytes:
        """An answer that takes time. All who had asked the same before one was begun have that one."""
        asked_at = time.monotonic()
        async with self._turn:
            if self._latest is None or self._latest[0] != request or self._latest[1] < asked_at:
                begun_at = time.monotonic()
                found = await self._loop.run_in_executor(self._reckoning, self._now, request)
                self._latest = request, begun_at, found
            return self._latest[2]


def listen_on(place: str, key: str) -> socket.socket:
    """A socket that listens at a place, which the settings name under this key. Raises SettingsError."""
    try:
        return _listen(*listening_at(place))
    except OSError as error:
        raise SettingsError(
            f"{key}: rtp cannot listen on {place}: {error.strerror or error}", "Choose another port, or stop who has it"
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_WAITING_CONNECTIONS)
    except OSError:
        listening.close()
        raise
    return listening


async def _read_headers(reader: asyncio.StreamReader) -> dict[str, str] | None:
    """The headers of a request; None where they do not end."""
    headers: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = (await reader.readline()).decode("latin-1")
        if not line:  # the client has gone, or had to make room: there is nobody to answer
            return None
        if not line.strip():
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return None
