"""The Lambda that tells people, started from its package and nothing else."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cli.demo_notifications import catching
from core.notify.serverless.function import NotifyFunction
from core.sinks.settings import load_settings
from tests.lambda_package import Function, Said, function_of, make_package
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.demo.catcher import Catcher
    from rtp_client.event import Event

CONFIG = """
watches: {tvl: {kind: tvl, table: tvl, columns: {protocol: protocol, chain: chain, value: tvl_usd}}}
notify:
  - {name: desk, to: {env: DESK_URL}}
  - {name: digest, to: {env: DIGEST_URL}, digest: 1s}
"""
TICK = {"rtp": "tick"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notify")
    make_package(folder, "notify")
    return folder


@pytest.fixture(scope="module")
def function(package: Path) -> Iterator[Function]:
    with function_of(package, "core.notify.serverless") as function:
        yield function


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    with catching() as catcher:
        yield catcher


@pytest.fixture
def run(function: Function, redis_url: str, catcher: Catcher) -> Callable[..., Said]:
    environ = {
        "RTP_REDIS_URL": redis_url,
        "RTP_EMF_NAMESPACE": "rtp",
        "DESK_URL": catcher.address("desk"),
        "DIGEST_URL": catcher.address("digest"),
    }

    def run(*events: Any, **variables: str) -> Said:
        return function.invoke(CONFIG, events, environ | variables)

    return run


def batch(*events: Event) -> dict[str, Any]:
    return {"Records": [{"messageId": f"message {event.id}", "body": event.json_bytes.decode()} for event in events]}


def answers(said: Said) -> list[Any]:
    return [
        [one["itemIdentifier"] for one in line["answer"]["batchItemFailures"]]
        for line in said.lines
        if "answer" in line
    ]


def test_each_alert_is_told_once_at_once_and_in_a_digest_by_the_tick(
    run: Callable[..., Said], catcher: Catcher
) -> None:
    one, two, three = (make_event(number, f"p{number}") for number in (1, 2, 3))
    said = run(batch(one, two), batch(two, three), TICK)
    assert (said.code, said.errors, answers(said)) == (0, "", [[], [], []])
    told = {
        name: [caught.title + caught.body for caught in catcher.newest_first if caught.destination == name]
        for name in ("desk", "digest")
    }
    assert len(told["desk"]) == 3
    # On a busy machine more than the digest's second may lie between the batches: then there are two.
    digests = reversed(told["digest"])
    assert [name for text in digests for name in ("p1", "p2", "p3") if name in text] == ["p1", "p2", "p3"]
    assert (sum(said.values("NotifyTicks")), sum(said.values("Told")), said.values("Untold")[-1]) == (1, 6, 0)


def test_a_batch_that_cannot_be_kept_comes_again_as_a_whole(run: Callable[..., Said]) -> None:
    said = run(batch(make_event(1), make_event(2)), RTP_REDIS_URL="redis://127.0.0.1:1/0")
    assert answers(said) == [[f"message {make_event(number).id}" for number in (1, 2)]]
    (line,) = said.of("alerts come again")
    assert (line["level"], line["alerts"]) == ("ERROR", 2)


def test_what_comes_before_anybody_has_an_address_waits_and_the_tick_fails(
    run: Callable[..., Said], catcher: Catcher
) -> None:
    said = run(batch(make_event(1)), TICK, DESK_URL="")
    assert answers(said) == [[]]
    assert said.code != 0
    assert "DESK_URL" in said.errors
    assert run(TICK).code == 0
    assert {caught.destination for caught in catcher.newest_first} == {"desk", "digest"}


def test_instances_at_once_tell_all_that_any_of_them_took_and_leave_nothing_to_the_tick(
    tmp_path: Path, redis_url: str, catcher: Catcher
) -> None:
    (tmp_path / "rtp.yaml").write_text(CONFIG.replace("digest: 1s", "limit: off"), encoding="utf-8")
    settings = load_settings(tmp_path / "rtp.yaml", environ={}, options={"redis.url": redis_url})
    addresses = {"DESK_URL": catcher.address("desk"), "DIGEST_URL": catcher.address("digest")}

    def run(instance: int) -> None:
        function = NotifyFunction(settings, addresses, on_problem=lambda _: None, write=lambda _: None)
        for number in range(3):
            function.take([make_event(10 * instance + number, f"p{instance}").json_bytes.decode()])
            function.tell(seconds=60, ahead_seconds=0, last_seconds=30)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(1, 5)))
    assert Counter(caught.destination for caught in catcher.newest_first) == {"desk": 12, "digest": 12}


def test_what_kills_the_start_says_where(run: Callable[..., Said], package: Path) -> None:
    said = run(TICK, RTP_REDIS_URL="")
    assert said.code != 0
    (line,) = said.of("the function cannot start")
    assert line["problem"].startswith("rtp notify keeps in Redis")
