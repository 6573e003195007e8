"""Redis over TLS (`rediss://`): the sink delivers, readers read, and a certificate that nobody vouches for is refused.

Needs the program openssl, for a certificate. The embedded Redis speaks no TLS itself; a proxy does, as stunnel would.
"""

from __future__ import annotations

import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from core.cache import CacheReader
from core.errors import SinkUnavailable
from core.sinks.redis import RedisSink
from core.stream.event_stream import EventStream
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.settings.models import Settings

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
pytestmark = needs_openssl


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, certificate: Path, key: Path, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up on the handshake is what one of the tests is about."""


class _Connection(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        with (
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(self.server.target) as redis_server,
        ):
            while True:
                ready = [client] if client.pending() else select.select([client, redis_server], [], [])[0]
                for source in ready:
                    if not (data := source.recv(65536)):
                        return
                    (redis_server if source is client else client).sendall(data)


@pytest.fixture
def tls_settings(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """The test's settings with a TLS address of its Redis, and with or without the certificate that vouches for it."""
    certificate, key = tmp_path / "redis.crt", tmp_path / "redis.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    address = urlsplit(settings.redis.url or "")
    assert address.port is not None
    with _Proxy(certificate, key, ("127.0.0.1", address.port)) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()

        def make(*, trusted: bool = True) -> Settings:
            place = f"rediss://:{address.password}@127.0.0.1:{proxy.server_address[1]}/0"
            url = f"{place}?ssl_ca_certs={certificate}" if trusted else place
            return settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": url})})

        yield make
        proxy.shutdown()


def sink_of(settings: Settings) -> RedisSink:
    return RedisSink(settings.redis, url=settings.redis.url or "", poll_interval_seconds=0.001)


def test_events_are_delivered_and_read_over_tls(tls_settings: Callable[..., Settings]) -> None:
    settings = tls_settings()
    with closing(sink_of(settings)) as sink:
        sink.open()
        sink.deliver([make_event(7)])
    with CacheReader(settings, patience_seconds=10) as reader:
        found = reader.get("tvl", "ethereum", "lido")
    assert found is not None
    assert (found.sequence, found.source) == (7, "cache")


def test_the_stream_is_followed_over_tls(tls_settings: Callable[..., Settings]) -> None:
    settings = tls_settings()
    with closing(sink_of(settings)) as sink:
        sink.deliver([make_event(7)])
    with EventStream(settings.redis.url or "") as stream:
        assert next(stream.follow(0)).event.sequence == "00000000000000000007"


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_settings: Callable[..., Settings]) -> None:
    with (
        closing(sink_of(tls_settings(trusted=False))) as sink,
        pytest.raises(SinkUnavailable, match=r"(?i)certificate"),
    ):
        sink.open()
