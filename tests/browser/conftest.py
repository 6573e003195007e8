"""A real Chromium, the system's own, for pages of a real gateway."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",  # as root there is none to be had
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NOTE_VIOLATIONS = """
    window.violations = [];
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
      window.violations.push(`${violatedDirective}: ${blockedURI}`));
"""
# Nobody waits so long, but on a machine that does much else.
_PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a file: Playwright's loop would be in the way of other files' own."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on the PATH (Debian: apt-get install chromium)")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=_FLAGS) as browser:
        yield browser


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a window of its own; the options are those of Playwright's contexts.

    In the end no page may have met an error, broken its security policy, or asked another server for anything.
    """
    pages: list[Page] = []
    faults: list[str] = []

    def open_one(url: str, **options: Any) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        context.set_default_timeout(_PATIENCE_MS)
        context.add_init_script(_NOTE_VIOLATIONS)
        page = context.new_page()
        own = urlsplit(url).netloc
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("request", lambda asked: faults.extend(_if_foreign(asked.url, own)))
        page.goto(url)
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        faults += page.evaluate("window.violations")
        page.context.close()
    assert faults == []


def _if_foreign(url: str, own: str) -> list[str]:
    place = urlsplit(url)
    return [] if place.scheme == "data" or place.netloc == own else [f"asked: {url}"]
