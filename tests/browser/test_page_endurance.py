"""The page over hours and through restarts: nothing is lost, and nothing grows."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from core.stack.ports import free_port
from tests.effort import IS_LONG
from tests.gateway import serve_settings, serving
from tests.rtp_process import rtp
from tests.samples import make_event

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from core.stack import EmbeddedStack

ENTITIES = 1000
EVENTS_PER_SECOND = 200
EVENTS_MEANWHILE = 12_000 if IS_LONG else 4000


@pytest.fixture
def deliver(stack: EmbeddedStack) -> Iterator[Callable[..., None]]:
    """Delivers an event of each of these entities, as rtp does."""
    with closing(RedisSink(RedisSettings(), url=stack.addresses.redis_url, poll_interval_seconds=0.001)) as sink:

        def deliver_all(*names: str) -> None:
            now, first = datetime.now(UTC), time.time_ns()
            sink.deliver(
                [
                    make_event(
                        first + place, entity=name, changed_at=now, detected_at=now, current=str(100 + place % 7)
                    )
                    for place, name in enumerate(names)
                ]
            )

        yield deliver_all


def test_events_of_while_the_gateway_was_gone_are_all_there(
    redis_url: str, open_page: Callable[..., Page], deliver: Callable[..., None]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    arguments = ("serve", "--listen", address, "--redis-url", redis_url)
    with rtp(*arguments) as gateway:
        gateway.wait_for(address)
        page = open_page(f"http://{address}/#/stream?q=kept")
        names = page.get_by_role("region", name="Stream").get_by_role("rowheader")
        deliver("kept-before")
        expect(names).to_have_count(1)
        gateway.end(signal.SIGKILL)
    expect(page.locator("#state")).to_have_attribute("data-phase", "waiting")
    deliver(*(f"kept-{number}" for number in range(20)))
    with rtp(*arguments):
        expect(names).to_have_count(21)
        deliver("kept-after")
        expect(names).to_have_count(22)
        told = [name.split()[0] for name in names.all_inner_texts()]
        assert told == ["kept-after", *(f"kept-{number}" for number in reversed(range(20))), "kept-before"]
        page.goto(f"http://{address}/#/status")
        expect(page.get_by_text("No event was missed.")).to_be_visible()


def test_a_page_left_open_does_not_grow_and_never_stands_still(
    redis_url: str, chromium: Browser, open_page: Callable[..., Page], deliver: Callable[..., None], tmp_path: Path
) -> None:
    names = [f"entity-{number}" for number in range(ENTITIES)]
    with serving(serve_settings(redis_url)) as server:
        page = open_page(server.url)
        count = page.get_by_role("region", name="Movers").get_by_text(f"{ENTITIES + 1:,} entities")
        deliver(*names)
        deliver("the-last")
        expect(count).to_be_visible()

        chromium.start_tracing(page=page, path=tmp_path / "trace.json", categories=["toplevel"])
        for turn in range(15):
            deliver(*names[turn * EVENTS_PER_SECOND // 10 % ENTITIES :][: EVENTS_PER_SECOND // 10])
            page.wait_for_timeout(100)
        chromium.stop_tracing()
        assert longest_task_ms(json.loads((tmp_path / "trace.json").read_bytes())["traceEvents"]) < 50

        sizes = []
        for _ in range(2):
            for _ in range(EVENTS_MEANWHILE // ENTITIES // 2 + 1):
                deliver(*names)
            deliver("a-mark")
            expect(page.get_by_role("region", name="Stream").get_by_role("rowheader").first).to_contain_text("a-mark")
            sizes.append(size_of(page))
        (heap, elements), (heap_later, elements_later) = sizes
        assert heap_later < heap * 1.1 + 500_000
        assert elements_later <= elements + 10


def size_of(page: Page) -> tuple[float, int]:
    """The bytes of its heap after a collection, and the elements of its document."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"], page.evaluate("document.querySelectorAll('*').length")


def longest_task_ms(trace: list[dict[str, Any]]) -> float:
    """Of the page's main thread, by CPU: what other processes of the machine take is none of the page's."""
    main = {
        (one["pid"], one["tid"])
        for one in trace
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    tasks = [one for one in trace if one["name"].endswith("RunTask") and (one["pid"], one["tid"]) in main]
    assert len(tasks) > 100
    return max(float(one.get("tdur", 0)) for one in tasks) / 1000
