"""What `rtp status`, the probes and the metrics say of people who are told, and of one who cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from core.monitor.notify_monitor import NotifyMonitor
from core.notify.acknowledgement.acknowledgements import Acknowledgements, Expected
from core.notify.outbox.outbox import Addressed, Outbox
from core.settings.models import HttpSettings, postgres_dsn
from core.sinks.settings import load_settings
from tests.default_document import default_document
from tests.eventually import eventually
from tests.gateway import answer_of
from tests.samples import make_event
from tests.told import notifying, posted_to
from tests.webhook_server import Reply, webhook_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.settings.models import Settings
    from tests.command import Command, Done

PEOPLE = [{"name": "desk", "to": "json://desk"}, {"name": "boss", "to": {"url": "json://boss", "name": "pager"}}]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    document = default_document() | {"notify": PEOPLE}
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture
def told(config: Path, installed: Settings, redis_url: str) -> Iterator[tuple[Settings, NotifyMonitor]]:
    """Three alerts for each of two destinations, of which one refuses all; until both have answered."""
    options = {"redis.url": redis_url, "postgres.dsn": postgres_dsn(installed)}
    settings = load_settings(config, environ={}, options=options)
    settings = settings.model_copy(update={"http": HttpSettings(listen="127.0.0.1:0")})
    monitor = NotifyMonitor(settings, is_alone=True)
    with webhook_server() as server, redis.Redis.from_url(redis_url) as client:
        acknowledgements = Acknowledgements(client, "")
        acknowledgements.expect([Expected("desk", make_event(n), 4e9) for n in (1, 2)])
        acknowledgements.settled([Expected("desk", make_event(1), 4e9)], escalated=2)
        Outbox(client, "").know(["desk/1", "pager", "former"])
        Outbox(client, "").put([Addressed(make_event(n, f"p{n}"), ["desk/1", "pager", "former"]) for n in (1, 2, 3)])
        server.reply = lambda posted: Reply(503) if posted.path == "/pager" else Reply()
        place = f"http://127.0.0.1:{server.port}"
        tells = {"desk/1": posted_to(f"{place}/desk"), "pager": posted_to(f"{place}/pager")}
        with notifying(settings, tells, source="stream", on_outcome=monitor.observe) as notifier:
            eventually(lambda: notifier.state().standings["pager"].failures_in_a_row)
            eventually(lambda: notifier.state().standings["desk/1"].counts.told == 3)
            monitor.start(notifier)
            try:
                yield settings, monitor
            finally:
                monitor.stop()


def metrics_of(monitor: NotifyMonitor) -> dict[tuple[str, str], float]:
    text = answer_of(monitor.url or "", "/metrics").body.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, one.labels.get("destination", "")): one.value for one in samples}


def test_one_who_takes_nothing_is_told_of_everywhere_and_makes_nobody_else_unready(
    told: tuple[Settings, NotifyMonitor], config: Path, command: Command, redis_url: str
) -> None:
    settings, monitor = told
    url = monitor.url or ""
    eventually(lambda: b"warnings" in answer_of(url, "/readyz").body)
    answer = answer_of(url, "/readyz")
    ready = json.loads(answer.body)
    assert (answer.status, ready["role"], ready["reasons"]) == (200, "notifier", [])
    assert [(one["reason"], one["subject"], one["detail"][:8]) for one in ready["warnings"]] == [
        ("circuit open", "pager", "HTTP 503")
    ]
    assert json.loads(answer_of(url, "/healthz").body) == {"status": "ok", "dead_threads": []}

    found = metrics_of(monitor)
    assert (found["rtp_notify_unacknowledged_alerts", ""], found["rtp_notify_escalated_total", ""]) == (1, 2)
    assert (found["rtp_notify_told_total", "desk/1"], found["rtp_notify_told_total", "pager"]) == (3, 0)
    assert found["rtp_notify_latency_seconds_count", "desk/1"] == 3
    assert (found["rtp_notify_waiting_alerts", "desk/1"], found["rtp_notify_waiting_alerts", "pager"]) == (0, 3)
    assert found["rtp_notify_failures_total", "pager"] >= 1
    assert (found["rtp_build_info", ""], found["rtp_notify_ready", ""]) == (1, 1)

    def status(*options: str) -> Done:
        places = ("--postgres-dsn", postgres_dsn(settings), "--redis-url", redis_url)
        return command("status", "--config", str(config), *places, *options)

    seen: dict[str, Any] = status("--json").document["notifications"]
    shown = [(one["audience"], one["destination"], one["waiting"], one["told"]) for one in seen["destinations"]]
    assert shown == [("desk", "desk/1", 0, 3), ("boss", "pager", 3, 0), (None, "former", 3, 0)]
    pager = seen["destinations"][1]
    assert (seen["processes"], pager["circuit"], pager["reason"]) == (1, "open", "HTTP 503")
    page = status().out
    assert "Notifications: 1 rtp notify; 1 alert to be acknowledged; 2 alerts told on as nobody did" in page
    assert "not in the settings" in page


def test_where_redis_does_not_answer_status_says_so_and_shows_the_rest(
    config: Path, installed: Settings, command: Command
) -> None:
    places = ("--postgres-dsn", postgres_dsn(installed), "--redis-url", "redis://:hunter2@127.0.0.1:1/0")
    done = command("status", "--config", str(config), *places)
    assert done.code == 0
    assert "Redis at redis://:***@127.0.0.1:1/0" in done.out
    assert "hunter2" not in done.out


def test_nobody_who_is_told_is_nothing_to_show(command: Command, installed: Settings, redis_url: str) -> None:
    places = ("--postgres-dsn", postgres_dsn(installed), "--redis-url", redis_url)
    assert command("status", *places, "--json").document["notifications"] is None


def test_without_redis_it_is_not_ready_and_says_why_without_its_password(config: Path) -> None:
    away = load_settings(config, environ={}, options={"redis.url": "redis://:hunter2@127.0.0.1:1/0"})
    away = away.model_copy(update={"http": HttpSettings(listen="127.0.0.1:0")})
    monitor = NotifyMonitor(away, is_alone=True)
    with notifying(away, {"desk/1": posted_to("http://127.0.0.1:1/")}, source="stream") as notifier:
        monitor.start(notifier)
        try:
            eventually(lambda: answer_of(monitor.url or "", "/readyz").status == 503)
            body = answer_of(monitor.url or "", "/readyz").body
        finally:
            monitor.stop()
    reasons = json.loads(body)["reasons"]
    assert {(one["reason"], one["subject"]) for one in reasons} == {("failing", "Redis")}
    assert b"hunter2" not in body
