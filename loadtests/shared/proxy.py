"""A small TCP proxy between rtp and a service, that can be slow, cut, silent or half-open; with real resets."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

_CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without lingering: closing sends RST, not FIN


class TcpProxy:
    """Listens on a free loopback port until closed. All methods may be called from any thread."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._flowing = threading.Event()
        self._flowing.set()
        self._delay_seconds = 0.0
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._listener: socket.socket | None = None
        self.port = 0
        self.reopen()

    @property
    def open_connections(self) -> int:
        return len(self._all_links())

    def slow(self, delay_seconds: float) -> None:
        """Hold back every piece for so long, in both directions."""
        self._delay_seconds = delay_seconds

    def stall(self) -> None:
        """A black hole: connections stand, new ones are accepted, and nothing comes through. `heal` lets it flow."""
        self._flowing.clear()

    def reset(self) -> None:
        """Cut every connection with RST; new ones go through."""
        for link in self._all_links():
            link.reset()

    def cut(self) -> None:
        """Cut every connection, and refuse new ones."""
        with self._lock:
            if self._listener is not None:
                # Closing alone would not wake the thread that accepts.
                with contextlib.suppress(OSError):
                    self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
                self._listener = None
        self.reset()

    def half_open(self) -> None:
        """The service loses its side of every connection; rtp is not told, and nobody answers on them any more."""
        for link in self._all_links():
            link.lose_service()

    def swallow(self) -> None:
        """Every connection carries nothing any more; rtp is not told, nor is the service when rtp gives up."""
        for link in self._all_links():
            link.swallow()

    def heal(self) -> None:
        """Let everything through again; what is half-open or reset stays so."""
        self._delay_seconds = 0.0
        self._flowing.set()
        if self._listener is None:
            self.reopen()

    def reopen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = listener.getsockname()[1]
        with self._lock:
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        self._is_closed = True
        self._flowing.set()
        self.cut()

    def pause(self) -> None:
        """What every piece goes through: the delay, and the black hole."""
        if self._delay_seconds:
            time.sleep(self._delay_seconds)
        self._flowing.wait()

    def forget(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)

    def _accept(self, listener: socket.socket) -> None:
        while not self._is_closed:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._link, args=(client,), daemon=True).start()

    def _link(self, client: socket.socket) -> None:
        self.pause()
        try:
            service = socket.create_connection(self._target, timeout=5)
        except OSError:
            _reset(client)  # the nearest thing to the refusal that the service itself would give
            return
        service.settimeout(None)
        for side in (client, service):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(self, client, service)
        with self._lock:
            self._links.add(link)
        link.start()

    def _all_links(self) -> list[_Link]:
        with self._lock:
            return list(self._links)


class _Link:
    def __init__(self, proxy: TcpProxy, client: socket.socket, service: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._service = service
        self._has_lost_service = False
        self._is_swallowed = False

    def start(self) -> None:
        for source, target in ((self._client, self._service), (self._service, self._client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def reset(self) -> None:
        for side in (self._client, self._service):
            _reset(side)
        self._proxy.forget(self)

    def lose_service(self) -> None:
        self._has_lost_service = True
        _reset(self._service)

    def swallow(self) -> None:
        self._has_lost_service = self._is_swallowed = True

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(_CHUNK_BYTES):
                self._proxy.pause()
                if not self._has_lost_service:
                    target.sendall(piece)
        except OSError:
            pass
        if source is self._service and self._has_lost_service:
            return  # the client goes on talking to nobody
        if self._is_swallowed:
            self._client.close()
            return  # the service's side stands until the proxy is closed
        for side in (self._client, self._service):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
        self._proxy.forget(self)


def _reset(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
    with contextlib.suppress(OSError):
        side.close()
