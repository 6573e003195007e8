"""The page behind a message's link, in a browser: its button acknowledges, in both colours for everybody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import redis
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from core.notify.acknowledgement.acknowledgements import Acknowledgements, offer_of
from core.notify.acknowledgement.links import AcknowledgeLinks
from tests.gateway import serve_settings, serving
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from playwright.sync_api import Page

KEY = "0123456789abcdef0123456789abcdef"


def faults(page: Page) -> list[Any]:
    page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = page.evaluate("axe.run()")
    return [one["id"] for one in found["violations"]]


def test_the_button_acknowledges(
    redis_url: str, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTP_NOTIFY_KEY", KEY)
    offer = offer_of([make_event(1)], "CRITICAL: lido TVL fell 42%, $31.2B → $18.1B, on ethereum, 99% sure")
    with redis.Redis.from_url(redis_url) as client, serving(serve_settings(redis_url)) as server:
        acknowledgements = Acknowledgements(client, "here")
        acknowledgements.offer(offer)
        link = AcknowledgeLinks(KEY.encode(), server.url).link(offer.id, time.time())
        page = open_page(link, color_scheme="dark", viewport={"width": 390, "height": 844})
        assert faults(page) == []
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_role("heading", name="Acknowledged")).to_be_visible()
        assert faults(page) == []
        assert acknowledgements.acknowledged_at(offer) is not None
