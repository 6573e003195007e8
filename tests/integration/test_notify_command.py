"""`rtp notify` as people run it, from a queue to a service that Apprise reaches."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING

import pytest
import redis
import yaml

from core.notify.outbox.outbox import TELLING
from core.redis_names import workers_key
from core.sinks.registry import destinations
from rtp_client.keys import STREAM
from tests.default_document import default_document
from tests.eventually import eventually
from tests.rtp_process import environ_of, rtp
from tests.samples import make_event
from tests.webhook_server import Reply, WebhookServer, webhook_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.settings.models import Settings
    from rtp_client.event import Event
    from tests.command import Command


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as one:
        yield one


@pytest.fixture
def config(tmp_path: Path, server: WebhookServer) -> Path:
    """The default settings, with people to tell."""
    document = default_document()
    address = f"json://127.0.0.1:{server.port}"
    document["notify"] = [
        {"name": "desk", "to": {"env": "DESK_URL"}},
        {"name": "boss", "to": {"url": f"{address}/boss", "name": "pager"}, "match": {"severity": "critical"}},
    ]
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def send(settings: Settings, *alerts: Event) -> None:
    (found,) = (one for one in destinations(settings) if one.sink == "sqs")
    sink = found.make()
    sink.open()
    assert not sink.deliver(alerts).undelivered
    sink.close()


def test_it_tells_all_that_waits_and_shows_each_message(
    command: Command, settings: Settings, server: WebhookServer, config: Path
) -> None:
    environ = environ_of(settings) | {"DESK_URL": f"json://127.0.0.1:{server.port}/desk?token=s3cret"}
    server.reply = lambda posted: Reply(400) if b"maker" in posted.body else Reply()
    send(settings, make_event(1), make_event(2, "aave", severity="critical"), make_event(3, "maker"))
    done = command("notify", "--config", str(config), "--until-idle", environ=environ)
    assert done.code == 0, done.err
    assert "Telling desk/1, pager of alerts from SQS" in done.err
    assert "Stopped. Told 3 alerts in 3 messages." in done.err
    assert "desk/1: 1 alert can never be told" in done.err
    assert sorted(line.split("  ")[1:3] for line in done.out.splitlines()) == [
        ["desk/1", "refused"],
        ["desk/1", "told"],
        ["desk/1", "told"],
        ["pager", "told"],
    ]
    (paged,) = (json.loads(one.body) for one in server.taken if one.path == "/boss")
    assert "aave" in paged["title"] + paged["message"]
    assert "s3cret" not in done.err + done.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "the settings name nobody who is to be told"),
        (("--from", "stream", "--queue", "a.fifo"), "option --queue does not fit here"),
    ],
)
def test_what_cannot_be_is_one_line(
    command: Command, settings: Settings, config: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    environ = environ_of(settings) | {"DESK_URL": "json://127.0.0.1:1"}
    given = ("--config", str(config), *arguments) if arguments else ()
    done = command("notify", *given, environ=environ)
    assert done.code == 2
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_without_the_variable_of_an_address_it_says_which(command: Command, settings: Settings, config: Path) -> None:
    done = command("notify", "--config", str(config), environ=environ_of(settings))
    assert done.code == 2
    assert "DESK_URL" in done.err


def test_a_dry_run_shows_the_messages_and_sends_and_takes_nothing(
    command: Command, settings: Settings, server: WebhookServer, config: Path
) -> None:
    environ = environ_of(settings) | {"DESK_URL": f"json://127.0.0.1:{server.port}/desk?token=s3cret"}
    with redis.Redis.from_url(settings.redis.url or "") as client:
        client.xadd(STREAM, {"event": make_event(1, "aave", severity="critical").json_bytes})
        done = command("notify", "--config", str(config), "--dry-run", environ=environ)
        assert done.code == 0, done.err
        assert done.out.count("CRITICAL") == 2
        assert "pager (" in done.out
        assert not client.keys("rtp:notify:*")
    tested = command("notify", "--config", str(config), "--test", "pager", environ=environ)
    assert "pager (JSON): accepted" in tested.out
    assert [one.path for one in server.taken] == ["/boss"]
    assert command("notify", "--config", str(config), "--test", "pagre", environ=environ).code == 2


def test_a_message_under_way_when_it_is_killed_is_told_by_the_next_and_nothing_passes_it(
    command: Command, settings: Settings, server: WebhookServer, config: Path
) -> None:
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**document, "run": {"leader_lease_seconds": 0.5}}), encoding="utf-8")
    environ = environ_of(settings) | {"DESK_URL": f"json://127.0.0.1:{server.port}/desk"}
    server.freeze()
    send(settings, make_event(1, current="90"), make_event(2, current="80"))
    with rtp("notify", "--config", str(config), environ=environ) as killed:
        eventually(lambda: server.posted)
        killed.end(signal.SIGKILL)
    server.thaw()
    done = command("notify", "--config", str(config), "--until-idle", "--json", environ=environ)
    documents = [json.loads(line) for line in done.out.splitlines()]
    assert [event_id for one in documents for event_id in one["event_ids"]] == [make_event(1).id, make_event(2).id]
    assert [one["came"] for one in documents] == ["told", "told"]


def test_an_ending_without_ever_having_reached_the_queue_is_no_success(
    command: Command, settings: Settings, config: Path
) -> None:
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["sqs"]["queue"] = "nobody-made-it.fifo"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    environ = environ_of(settings) | {"DESK_URL": "json://127.0.0.1:1", "RTP_SQS_QUEUE": ""}
    done = command("notify", "--config", str(config), "--for", "1s", environ=environ)
    assert done.code == 1
    assert "Never reached from the start to the end: SQS (queue nobody-made-it.fifo" in done.err


def test_one_that_begins_beside_another_with_other_settings_says_so(
    command: Command, settings: Settings, config: Path, client: redis.Redis
) -> None:
    environ = environ_of(settings) | {"DESK_URL": "json://127.0.0.1:1"}
    client.zadd(workers_key(TELLING), {"7-abc-0000000f": (time.time() + 60) * 1000})
    done = command("notify", "--config", str(config), "--from", "stream", "--for", "100ms", environ=environ)
    assert "1 other rtp notify of this Redis has other notify settings: an alert is told by the rules of" in done.err
