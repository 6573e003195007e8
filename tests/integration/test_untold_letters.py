"""What could not be told, in `rtp dlq`: listed, shown, told again, dropped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from core.notify.counts import DestinationCounts
from core.notify.outbox.outbox import TELLING, Addressed, Outbox
from core.redis_names import lease_key
from core.stack.ports import free_port
from tests.rtp_process import environ_of
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.settings.models import Settings
    from tests.command import Command, Done

CONFIG = """
watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, chain: chain, value: tvl_usd}}}
dynamodb: {tables: {tvl: {table: tvl}}, region: us-east-1}
notify: [{name: desk, to: "json://127.0.0.1:1"}, {name: boss, to: "json://127.0.0.1:1"}]
"""


@pytest.fixture
def outbox(settings: Settings) -> Iterator[Outbox]:
    """Three alerts can never be told: two of lido at the desk, one at the boss's."""
    with redis.Redis.from_url(settings.redis.url or "") as client:
        outbox = Outbox(client, "here")
        outbox.put([Addressed(make_event(1), ["desk/1", "boss/1"]), Addressed(make_event(2), ["desk/1"])])
        for destination in ("desk/1", "boss/1"):
            client.set(lease_key(TELLING, destination), "mine")
            places = [alert.place for alert in outbox.waiting(destination, most=9)]
            outbox.begin(destination, places, "mine", spent_until=0)
            outbox.settle(
                destination, places, "mine", counts=DestinationCounts(dead=len(places)), note={}, dead="no such chat"
            )
        yield outbox


@pytest.fixture
def dlq(command: Command, settings: Settings, tmp_path: Path) -> Callable[..., Done]:
    path = tmp_path / "rtp.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    environ = environ_of(settings) | {"RTP_SQS_QUEUE": "", "RTP_SQS_ENDPOINT_URL": ""}
    return lambda *arguments: command("dlq", *arguments, "--config", str(path), environ=environ)


@pytest.mark.parametrize("source", ["postgres", "dynamodb"])
def test_letters_are_listed_shown_told_again_in_order_and_dropped(
    dlq: Callable[..., Done], outbox: Outbox, source: str
) -> None:
    def listed(*filters: str) -> list[dict[str, Any]]:
        done = dlq("list", "--source", source, "--json", *filters)
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]

    found = listed("--origin", "notify")
    assert sorted(one["sink"] for one in found) == ["boss/1", "desk/1", "desk/1"]
    assert {one["error"] for one in found} == {"no such chat"}
    first, second = (one for one in listed() if one["sink"] == "desk/1")
    shown = dlq("show", first["id"], "--source", source, "--json").document
    assert first["event_id"] == make_event(1).id
    assert make_event(1).id in json.dumps(shown)

    assert dlq("retry", second["id"], "--source", source).code == 1
    assert outbox.waiting("desk/1", most=9) == []  # an older one of its entity is not meant
    assert dlq("retry", "--sink", "desk/1", "--source", source).code == 0
    assert [alert.event for alert in outbox.waiting("desk/1", most=9)] == [make_event(1), make_event(2)]
    assert dlq("drop", "--sink", "boss/1", "--yes", "--source", source).code == 0
    assert listed() == []


@pytest.mark.parametrize("source", ["postgres", "dynamodb"])
def test_a_destination_that_is_none_is_one_line_that_names_those_there_are(
    dlq: Callable[..., Done], outbox: Outbox, source: str
) -> None:
    done = dlq("list", "--sink", "desk/7", "--source", source)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no sink is called 'desk/7'" in done.err
    assert {"desk/1", "boss/1"} <= set(done.err.rstrip("\n").split("Known: ")[1].split(", "))


def test_a_machine_with_rtp_notify_alone_needs_no_postgresql(
    dlq: Callable[..., Done], command: Command, outbox: Outbox, settings: Settings, tmp_path: Path
) -> None:
    redis_alone = {"RTP_REDIS_URL": settings.redis.url or ""}
    path = tmp_path / "alone.yaml"
    path.write_text(CONFIG.replace("dynamodb:", "#"), encoding="utf-8")

    def alone(*arguments: str) -> Done:
        return command(*arguments, "--config", str(path), environ=redis_alone)

    listed = alone("dlq", "list", "--json")
    found = [json.loads(line) for line in listed.out.splitlines()]
    assert (listed.code, listed.err.strip()) == (
        0,
        "There is no PostgreSQL address: this is only what rtp notify could not tell",
    )
    assert sorted(one["sink"] for one in found) == ["boss/1", "desk/1", "desk/1"]
    assert alone("dlq", "show", found[0]["id"], "--json").document["event_id"] == found[0]["event_id"]
    assert alone("dlq", "retry", "--sink", "desk/1").code == 0
    assert alone("dlq", "drop", "--sink", "boss/1", "--yes").code == 0
    assert alone("status", "--json").document["notifications"]["destinations"][0]["waiting"] == 2
    assert "Notifications: no rtp notify runs" in alone("status").out


@pytest.mark.parametrize("asked", [["list", "--origin", "database"], ["list", "--origin", "queue"], ["show", "12"]])
def test_what_only_postgresql_can_tell_is_not_told_without_it(
    asked: list[str], command: Command, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTP_STATE_DIR", str(tmp_path))  # no demo runs
    path = tmp_path / "alone.yaml"
    path.write_text(CONFIG.replace("dynamodb:", "#"), encoding="utf-8")
    done = command("dlq", *asked, "--config", str(path), environ={"RTP_REDIS_URL": redis_url})
    assert done.code == 2
    assert "there is no PostgreSQL address" in done.err


def test_the_status_of_rtp_notify_alone_is_none_without_redis(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "alone.yaml"
    path.write_text(CONFIG.replace("dynamodb:", "#"), encoding="utf-8")
    done = command("status", "--config", str(path), environ={"RTP_REDIS_URL": f"redis://127.0.0.1:{free_port()}"})
    assert (done.code, done.out, done.err.startswith("Redis at")) == (2, "", True)
