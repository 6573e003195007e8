"""Past events over REST, further back than the gateway's memory reaches."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from urllib.parse import quote

from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.eventually import eventually
from tests.gateway import serve_settings, serving
from tests.rest_client import answer, ask
from tests.samples import make_event

EVENTS, WINDOW = 1200, 100


def test_pages_lead_from_redis_into_memory_and_filters_look_through_both(redis_url: str) -> None:
    with closing(RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.001)) as sink:
        sink.deliver([make_event(number, entity=f"e{number % 300}") for number in range(1, EVENTS + 1)])
        sink.deliver([make_event(EVENTS)])  # again, as after a crash
    with serving(serve_settings(redis_url, window=WINDOW)) as server:
        eventually(lambda: ask(server, "/readyz")[0] == 200)
        pages = _pages(lambda since: answer(server, f"/v1/events?since={quote(since)}&limit=700"))
        rare = answer(server, "/v1/events?since=0&entity=e7")
        old = answer(server, f"/v1/events?since={rare['events'][0]['position']}&entity=e7&limit=2")
    assert [int(one["event"]["sequence"]) for page in pages for one in page["events"]] == list(range(1, EVENTS + 1))
    assert [int(one["event"]["sequence"]) for one in rare["events"]] == [7, 307, 607, 907]
    assert [int(one["event"]["sequence"]) for one in old["events"]] == [307, 607]


def _pages(ask_since: Any) -> list[Any]:
    pages, since, has_more = [], "0", True
    while has_more:
        page = ask_since(since)
        pages.append(page)
        since, has_more = page["position"], page["has_more"]
    return pages
