"""The page: what a trader sees of a real gateway, and how it is found again by its address."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from core.gateway.server import GatewayServer
from core.settings.models import RedisSettings
from core.sinks.redis import RedisSink
from tests.gateway import serve_settings, serving
from tests.pegged import with_pegged_prices
from tests.samples import make_event

if TYPE_CHECKING:
    from playwright.sync_api import Page


TOKEN = "a-token-of-the-tests"
NOTE_NOTIFICATIONS = """
    window.told = [];
    window.Notification = class extends Notification {
      constructor(title, options) {
        super(title, options);
        window.told.push(title);
      }
    };
"""
AS_ON_A_PHONE = """
    window.Notification = class {
      static requestPermission = async () => "granted";
      constructor() {
        throw new TypeError("Illegal constructor");
      }
    };
"""
COUNT_TONES = """
    window.tones = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...when) {
      window.tones += 1;
      return start.apply(this, when);
    };
"""
FILL_BEHIND_AN_EVENT = """async () => {
    const { Store, MOST_EVENTS } = await import("/js/store.js");
    const store = new Store();
    const event = (entity, at) => ({ id: entity, sequence: "1", data: {
      kind: "tvl", chain: "ethereum", entity, previous: "1",
      current: "2", change_pct: "100", reason: "deviation", severity: "info", detected_at: at, changed_at: at } });
    store.take(event("live", "2026-11-24T12:00:00Z"));
    for (let number = 0; number < MOST_EVENTS * 2; number += 1) {
      const old = event(`old-${number}`, "2026-11-24T11:00:00Z");
      store.fill([{ ...old.data, value: "2", is_deleted: false, event: old }]);
    }
    store.order();
    return store.events.at(-1).entity;
}"""

PROBLEMS_OF = """async (status) => {
    const { problemsOf } = await import("/js/health.js");
    return [...problemsOf(status)];
}"""


@pytest.fixture(scope="module")
def server(module_redis_url: str) -> Iterator[GatewayServer]:
    with serving(with_pegged_prices(serve_settings(module_redis_url))) as running:
        yield running


@pytest.fixture
def deliver(module_redis_url: str) -> Iterator[Callable[..., object]]:
    """Delivers an event of now, as rtp does."""
    with closing(RedisSink(RedisSettings(), url=module_redis_url, poll_interval_seconds=0.001)) as sink:

        def deliver_one(**columns: Any) -> None:
            now = datetime.now(UTC)
            sink.deliver([make_event(time.time_ns(), **{"changed_at": now, "detected_at": now, **columns})])

        yield deliver_one


def live(page: Page) -> Page:
    expect(page.locator("#state-text")).to_have_text(re.compile("^Live"))
    return page


def row(page: Page, panel: str, entity: str) -> str:
    """The text of an entity's row, once there is one."""
    line = page.get_by_role("region", name=panel).get_by_role("row").filter(has_text=entity)
    expect(line).to_have_count(1)
    return re.sub(r"\s+", " ", line.inner_text())


def test_an_event_appears_among_movers_and_in_the_stream(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    page = live(open_page(server.url))
    deliver(entity="appears", change_pct="-7.25", severity="critical", confidence=0.97)
    assert re.fullmatch(r"appears ethereum tvl 102\.5000 −7\.25 % critical 97 % \d s", row(page, "Movers", "appears"))
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d appears ethereum tvl critical deviation −7\.25 %", row(page, "Stream", "appears")
    )


def test_filters_live_in_the_address(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    page = live(open_page(f"{server.url}/#/stream"))
    deliver(entity="shared-calm", severity="info")
    deliver(entity="shared-wild", severity="critical")
    row(page, "Stream", "shared-calm")
    page.get_by_label("Search").fill("shared")
    page.get_by_role("search").get_by_label("Severity").select_option("warning")
    page.get_by_label("Chain").fill("ETH*")
    expect(page).to_have_url(re.compile(re.escape("#/stream?chain=ETH*&severity=warning&q=shared")))
    names = page.get_by_role("region", name="Stream").get_by_role("rowheader")
    expect(names).to_have_text([re.compile("shared-wild")])
    other = live(open_page(page.url))
    expect(other.get_by_label("Search")).to_have_value("shared")
    deliver(entity="shared-later", severity="warning", chain="base")
    deliver(entity="shared-latest", severity="warning")
    row(other, "Stream", "shared-latest")
    expect(other.get_by_role("region", name="Stream")).not_to_contain_text("shared-later")


def test_an_entity_has_a_view_of_its_own(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    odd = "odd/name ü"
    page = live(open_page(server.url))
    deliver(entity=odd, provenance="oracle", current="100.25", previous="100")
    row(page, "Movers", odd)
    page.get_by_role("region", name="Movers").get_by_role("link", name=odd).press("Enter")
    expect(page).to_have_url(re.compile(re.escape(f"#/entity/tvl/ethereum/{quote(odd, safe='')}")))
    view = page.get_by_role("region", name=odd)
    expect(view.get_by_text("A change of 1 % or more since the last event is an event.")).to_be_visible()
    expect(view.get_by_role("definition").filter(has_text="oracle")).to_be_visible()
    expect(view.get_by_role("img", name=f"Chart of {odd}")).to_be_visible()
    expect(view.locator("canvas")).to_be_visible()
    deliver(entity=odd, previous="100.25", current="103")
    expect(view.get_by_role("row").filter(has_text="100.2500 → 103.0000")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("region", name="Movers")).to_be_visible()


def test_a_price_that_leaves_its_peg_says_how_far_it_is_and_since_when(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    deliver(entity="usdx", kind="price", watch="prices", current="1.0004")
    page = live(open_page(f"{server.url}/#/pegs"))
    assert row(page, "Pegs", "usdx") == "usdx ethereum price 1.00040 +4.0 on its peg 1.00000"
    deliver(entity="usdx", kind="price", watch="prices", previous="1.0004", current="0.9922", reason="depeg")
    expect(page.get_by_role("row").filter(has_text="usdx")).to_contain_text("−78.0")
    assert "0.99220 −78.0 off" in row(page, "Pegs", "usdx")


def test_the_rows_are_walked_by_keyboard(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    page = live(open_page(f"{server.url}/#/movers?q=walk"))
    for number in range(3):
        deliver(entity=f"walk-{number}")
    row(page, "Movers", "walk-2")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    links = page.get_by_role("region", name="Movers").get_by_role("link")
    links.first.focus()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()


def test_what_the_person_chose_to_hear_of_is_notified(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    page = open_page(f"{server.url}/#/board?q=alert", permissions=["notifications"])
    page.evaluate(f"() => {{{NOTE_NOTIFICATIONS}}}")
    live(page).get_by_role("button", name="Alerts").click()
    page.get_by_label("Notifications of this browser").check()
    page.get_by_role("button", name="Done").click()
    deliver(entity="alert-small", severity="warning")
    deliver(entity="other", severity="critical")
    deliver(entity="alert-large", severity="critical", change_pct="-21")
    page.wait_for_function("() => window.told.length > 1")
    assert page.evaluate("window.told") == [
        "rtp tells you here what comes.",
        "alert-large on ethereum: deviation, −21.00 %, critical.",
    ]


def test_where_a_page_cannot_notify_the_choice_says_so(server: GatewayServer, open_page: Callable[..., Page]) -> None:
    page = open_page(server.url, permissions=["notifications"])
    page.evaluate(f"() => {{{AS_ON_A_PHONE}}}")
    live(page).get_by_role("button", name="Alerts").click()
    choice = page.get_by_label("Notifications of this browser")
    choice.click()
    expect(page.get_by_text("This browser shows no notifications of a page")).to_be_visible()
    expect(choice).not_to_be_checked()


def test_a_sound_that_was_chosen_is_heard_after_a_reload_too(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    page = open_page(f"{server.url}/#/board?q=heard")
    page.context.add_init_script(COUNT_TONES)
    live(page).get_by_role("button", name="Alerts").click()
    page.get_by_label("A sound").check()
    page.reload()
    live(page).get_by_label("Search").click()
    deliver(entity="heard", severity="critical")
    page.wait_for_function("() => window.tones > 0")


def test_a_finger_that_has_touched_a_row_does_not_hold_the_stream(
    server: GatewayServer, open_page: Callable[..., Page], deliver: Callable[..., object]
) -> None:
    page = open_page(
        f"{server.url}/#/stream?q=touched", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    names = live(page).get_by_role("region", name="Stream").get_by_role("rowheader")
    deliver(entity="touched-1")
    expect(names).to_have_count(1)
    page.get_by_role("region", name="Stream").get_by_role("cell").first.tap()
    deliver(entity="touched-2")
    expect(names).to_have_count(2)


def test_a_snapshot_of_many_entities_leaves_the_newest_events_known(
    server: GatewayServer, open_page: Callable[..., Page]
) -> None:
    assert open_page(server.url).evaluate(FILL_BEHIND_AN_EVENT) == "live"


def test_a_server_that_wants_a_token_is_told_one(module_redis_url: str, open_page: Callable[..., Page]) -> None:
    with serving(serve_settings(module_redis_url, token=TOKEN)) as server:
        page = open_page(server.url)
        for token in ("wrong", TOKEN):
            field = page.get_by_label("Token", exact=True)
            field.fill(token)
            field.press("Enter")
            page.wait_for_load_state()
        live(page)
        assert TOKEN not in page.url
        assert page.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]


def test_what_is_in_rtps_way_is_said_as_long_as_it_is_news(
    server: GatewayServer, open_page: Callable[..., Page]
) -> None:
    circuits = [{"service": "Redis", "last_error": ""}, {"service": "SQS", "last_error": "no such queue"}]
    figures = {"role": "leader", "lead_trouble": None, "circuits": circuits, "troubles": []}
    errors = [
        {"watch": watch, "message": "the chain is empty", "occurred_at": f"2026-11-24T{hour}:30:00Z"}
        for watch, hour in (("old", 10), ("new", 11))
    ]
    processes = [{"is_alive": True, "figures": figures}, {"is_alive": False, "figures": {"troubles": [{}]}}]
    status = {"at": "2026-11-24T12:00:00Z", "processes": processes, "trigger_errors": errors}
    told = open_page(server.url).evaluate(PROBLEMS_OF, status)
    assert told == ["SQS: no such queue", "new: the chain is empty"]
