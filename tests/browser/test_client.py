"""rtp.js in a browser, as a page of somebody's own would use it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from core.stack import ports
from tests.eventually import eventually
from tests.gateway import serve_settings, serving
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

_FOLLOW = """
    async () => {
      const { Client } = await import("/rtp.js");
      window.seen = [];
      window.client = new Client(location.origin);
      const follow = async () => {
        for await (const { event } of client.events({ resume: "0" })) seen.push(Number(event.sequence));
        seen.push("closed");
      };
      follow();
    }
"""


def test_a_loop_over_events_outlives_the_gateway_and_loses_nothing(
    redis_url: str, open_page: Callable[..., Page]
) -> None:
    settings = serve_settings(redis_url, listen=f"127.0.0.1:{ports.free_port()}", drain_seconds=0.1)
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink:
        with serving(settings) as server:
            sink.deliver([make_event(1), make_event(2)])
            page = open_page(server.url)
            page.evaluate(_FOLLOW)
            eventually(lambda: len(page.evaluate("seen")) == 2)
        sink.deliver([make_event(3)])
        with serving(settings):
            sink.deliver([make_event(4)])
            eventually(lambda: len(page.evaluate("seen")) == 4)
            page.evaluate("client.close()")
            eventually(lambda: len(page.evaluate("seen")) == 5)
    assert page.evaluate("seen") == [1, 2, 3, 4, "closed"]
