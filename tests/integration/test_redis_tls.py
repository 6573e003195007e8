"""Redis over TLS (`rediss://`): the sink delivers, readers read, and a certificate that nobody vouches for is refused.

The embedded Redis speaks no TLS itself; a proxy does.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from core.cache.readers import cache_reader
from core.errors import SinkUnavailable
from core.sinks.redis import RedisSink
from rtp_client.stream.event_stream import EventStream
from tests.samples import make_event
from tests.tls_proxy import needs_openssl, tls_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.settings.models import Settings

pytestmark = needs_openssl


@pytest.fixture
def tls_settings(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """The test's settings with a TLS address of its Redis, and with or without the certificate that vouches for it."""
    address = urlsplit(settings.redis.url or "")
    assert address.port is not None
    with tls_proxy(address.port, tmp_path) as proxy:

        def make(*, trusted: bool = True) -> Settings:
            place = f"rediss://:{address.password}@127.0.0.1:{proxy.port}/0"
            url = f"{place}?ssl_ca_certs={proxy.certificate}" if trusted else place
            return settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": url})})

        yield make


def sink_of(settings: Settings) -> RedisSink:
    return RedisSink(settings.redis, url=settings.redis.url or "", poll_interval_seconds=0.001)


def test_events_are_delivered_and_read_over_tls(tls_settings: Callable[..., Settings]) -> None:
    settings = tls_settings()
    with closing(sink_of(settings)) as sink:
        sink.open()
        sink.deliver([make_event(7)])
    with cache_reader(settings, timeout_seconds=10) as reader:
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
