"""The demo's notifications: who catches them, and where they are shown."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.event_line import printable
from core.demo.catcher import Catcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.routing import Route

    from core.demo.catcher import Caught


NOTIFICATIONS = "/notifications"
"""Where the gateway's page of them is."""


@contextmanager
def catching() -> Iterator[Catcher]:
    """A catcher that answers within the block."""
    catcher = Catcher()
    catcher.start()
    try:
        yield catcher
    finally:
        catcher.stop()


def page_of(catcher: Catcher) -> Route:
    """A page of the gateway that shows what was caught."""
    from core.gateway.notifications_page import notifications_route  # noqa: PLC0415 - an extra

    return notifications_route(NOTIFICATIONS, lambda: catcher.newest_first)


def notification_line(caught: Caught) -> str:
    """Whom it is for, and its first line; the whole is on the page."""
    return printable(f"told {caught.destination}: {caught.headline}")
