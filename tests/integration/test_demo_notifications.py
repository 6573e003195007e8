"""A demo's notifications: caught on this machine, whatever the settings name, and shown as text."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import yaml

from cli.demo_notifications import NOTIFICATIONS, catching, notification_line, page_of
from core.demo.notifications import with_demo_notify
from core.sinks.settings import load_settings
from tests.default_document import default_document
from tests.gateway import answer_of, serve_settings, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.demo.catcher import Catcher
    from core.settings.models import Settings


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    with catching() as catcher:
        yield catcher


def tell(address: str, title: str, body: str) -> None:
    """As Apprise's `json://` does it."""
    place = urlsplit(address)
    document = {"version": "1.0", "title": title, "message": body, "attachments": [], "type": "info"}
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.request("POST", place.path, json.dumps(document), {"Content-Type": "application/json"})
        assert connection.getresponse().status == 200


def test_what_is_told_is_a_line_and_an_article_of_the_page_the_newest_first(catcher: Catcher) -> None:
    told: list[str] = []
    catcher.on_caught = lambda caught: told.append(notification_line(caught))
    settings = serve_settings("redis://127.0.0.1:1/0")  # the page needs none
    with serving(settings, more_routes=[page_of(catcher)]) as gateway:
        assert b"None so far" in answer_of(gateway, NOTIFICATIONS).body
        tell(catcher.address("desk/1"), "aave fell 7 %", "from 10 to 9.3")
        tell(catcher.address("boss/1"), "", "lido fell 9 %\nsince <b>noon</b>")
        answer = answer_of(gateway, NOTIFICATIONS)
    assert told == ["told desk/1: aave fell 7 %", "told boss/1: lido fell 9 %"]
    page = answer.body.decode()
    assert page.index("to boss/1") < page.index("to desk/1")
    assert "since &lt;b&gt;noon&lt;/b&gt;" in page
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_what_is_no_message_is_refused_and_the_next_one_is_caught(catcher: Catcher) -> None:
    place = catcher.address("desk/1").replace("json://", "http://")
    assert answer_of(place, "/desk/1", "POST").status == 400
    tell(catcher.address("desk/1"), "", "still there")
    assert [caught.body for caught in catcher.newest_first] == ["still there"]


def settings_with(folder: Path, **sections: object) -> Settings:
    document = default_document() | sections
    path = folder / "rtp.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_settings(path, environ={}, options={})


def test_nothing_leaves_the_machine_whomever_the_settings_name(tmp_path: Path) -> None:
    notify = [
        {"name": "desk", "to": ["tgram://TOKEN/CHAT", {"env": "PAGER_URL"}], "quiet": "22:00-07:00 UTC"},
        {"name": "boss", "to": {"url": "slack://A/B/C", "name": "chat"}, "limit": "1/min"},
    ]
    told = with_demo_notify(settings_with(tmp_path, notify=notify), lambda name: f"json://127.0.0.1:1/{name}").notify
    addresses = {name: to.address({}) for audience in told for name, to in audience.destinations.items()}
    assert addresses == {name: f"json://127.0.0.1:1/{name}" for name in ("desk/1", "desk/2", "chat")}
    assert (str(told[0].quiet), str(told[1].limit)) == ("22:00-07:00 UTC", "1/min")


def test_settings_that_name_nobody_get_a_desk(tmp_path: Path) -> None:
    (desk,) = with_demo_notify(settings_with(tmp_path), lambda name: f"json://127.0.0.1:1/{name}").notify
    assert list(desk.destinations) == ["desk/1"]
    assert desk.match.severity == "warning"
