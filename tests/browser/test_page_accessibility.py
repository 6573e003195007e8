"""The page for everybody: no fault that axe-core finds in any view, in either colours, and no scrolling sideways."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import ViewportSize, expect

from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.eventually import eventually
from tests.gateway import serve_settings, serving
from tests.pegged import with_pegged_prices
from tests.samples import make_event

if TYPE_CHECKING:
    from playwright.sync_api import Page


VIEWS = ("board", "movers", "pegs", "stream", "status", "entity/price/ethereum/a-name-of-some-length")
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(module_redis_url: str) -> Iterator[GatewayServer]:
    """A gateway that knows entities of all severities, all with a peg."""
    with closing(RedisSink(RedisSettings(), url=module_redis_url, poll_interval_seconds=0.001)) as sink:
        now: dict[str, Any] = {
            "changed_at": datetime.now(UTC),
            "detected_at": datetime.now(UTC),
            "kind": "price",
            "watch": "prices",
        }
        names = {"a-name-of-some-length": "critical", "eth": "warning", "usdc": "info"}
        events = [
            make_event(time.time_ns() + place, entity=name, severity=severity, reason="depeg", **now)
            for place, (name, severity) in enumerate(names.items())
        ]
        sink.deliver(events)
    with serving(with_pegged_prices(serve_settings(module_redis_url))) as running:
        yield running


@pytest.mark.parametrize(
    ("colours", "size", "rules"), [("light", WIDE, None), ("dark", NARROW, ["color-contrast"])], ids=["light", "dark"]
)
def test_axe_finds_nothing_in_any_view(
    server: GatewayServer, open_page: Callable[..., Page], colours: str, size: ViewportSize, rules: list[str] | None
) -> None:
    page = open_page(server.url, color_scheme=colours, viewport=size)
    page.evaluate(AXE_SCRIPT)
    found = {}
    for view in VIEWS:
        show(page, view)
        found[view] = faults(page, rules)
    page.get_by_role("button", name="Alerts").click()
    found["alerts"] = faults(page, rules)
    assert {view: told for view, told in found.items() if told} == {}


def test_nothing_is_wider_than_a_phone(server: GatewayServer, open_page: Callable[..., Page]) -> None:
    page = open_page(server.url, viewport=NARROW, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Filters").click()
    widths = {}
    for view in VIEWS:
        show(page, view)
        widths[view] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(VIEWS, 390)
    page.set_viewport_size({"width": 320, "height": 640})
    eventually(lambda: page.evaluate("document.documentElement.scrollWidth") == 320)  # once the chart is drawn anew


def test_a_phone_shows_how_severe_each_move_is(server: GatewayServer, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{server.url}/#/movers", viewport=NARROW, has_touch=True, is_mobile=True)
    remark = page.get_by_role("region", name="Movers").get_by_text("critical, depeg")
    expect(remark).to_be_visible()
    assert remark.evaluate(
        "part => part.getBoundingClientRect().right <= part.closest('th').getBoundingClientRect().right"
    )


def show(page: Page, view: str) -> None:
    page.evaluate("(view) => { location.hash = `#/${view}`; }", view)
    expect(page.locator(f"body[data-view='{view.partition('/')[0]}']")).to_be_attached()
    if view.startswith("entity"):
        expect(page.locator("canvas")).to_be_visible()
    elif view != "status":
        expect(page.get_by_role("rowheader").filter(has_text="usdc").last).to_be_visible()


def faults(page: Page, rules: list[str] | None) -> list[str]:
    """What axe-core finds by these rules, or all: the rule, and the elements."""
    asked = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    told = page.evaluate("(asked) => axe.run(asked)", asked)["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in told for node in rule["nodes"]]
