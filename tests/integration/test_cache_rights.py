"""The rights that the synthesised template gives to the users of Valkey, on a real Valkey: enough, and no more."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import redis

from core.cache.readers import cache_reader
from core.handler.build import build_processor
from core.kinds import SHIPPED
from core.settings.dynamodb import dynamodb_model
from core.sinks.redis import RedisSink
from rtp_client import CacheReader
from rtp_client.keys import STREAM, cache_key, channel, channel_pattern
from rtp_client.stream.event_stream import EventStream
from tests.command import Command
from tests.dynamodb import Table
from tests.rtp_process import environ_of
from tests.samples import make_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import psycopg

    from core.settings.models import Settings
pytestmark = pytest.mark.timeout(600)  # most of it waits for the templates, on a machine that may be busy
PATIENCE = 10
BASELINE = "rtp:baseline:tvl:ethereum:lido"


@pytest.fixture
def url_of(assembly: Path, redis_url: str) -> Iterator[Callable[[str], str]]:
    """The address of the test's Redis for a user of the template, made there with the template's rights."""
    template = json.loads((assembly / "rtp-streams.template.json").read_text(encoding="utf-8"))
    users = [found for found in template["Resources"].values() if found["Type"] == "AWS::ElastiCache::User"]
    rights = {user["Properties"]["UserName"]: user["Properties"]["AccessString"].split() for user in users}
    address = urlsplit(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        for user, words in rights.items():
            client.execute_command("ACL", "SETUSER", user, "reset", ">word", *words)
        yield lambda user: f"redis://{user}:word@{address.hostname}:{address.port}/0"
        client.execute_command("ACL", "DELUSER", *rights)


@pytest.fixture
def rtp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


def with_redis(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": url})})


def deliver(settings: Settings, url: str, sequence: int) -> None:
    with closing(RedisSink(settings.redis, url=url, poll_interval_seconds=0.001)) as sink:
        sink.open()
        sink.deliver([make_event(sequence)])


@pytest.mark.parametrize(
    "pattern",
    ["rtp:events:price:*", "rtp:events:*", channel_pattern(chain="base"), channel_pattern("tvl", entity="lido")],
)
def test_a_reader_subscribes_by_any_pattern(url_of: Callable[[str], str], pattern: str) -> None:
    with redis.Redis.from_url(url_of("rtp-reader")) as client, client.pubsub() as subscriber:
        subscriber.psubscribe(pattern)
        answer: Any = subscriber.get_message(timeout=PATIENCE)
    assert (answer["type"], answer["channel"].decode()) == ("psubscribe", pattern)


def test_a_reader_has_what_rtp_publishes_streams_and_caches(settings: Settings, url_of: Callable[[str], str]) -> None:
    url = url_of("rtp-reader")
    with (
        redis.Redis.from_url(url) as client,
        client.pubsub() as subscriber,
        EventStream(url) as stream,
        CacheReader(url, is_counted=False, timeout_seconds=PATIENCE) as cache,
    ):
        subscriber.psubscribe(channel_pattern("tvl"))
        subscriber.get_message(timeout=PATIENCE)
        deliver(settings, url_of("rtp"), 7)
        message: Any = subscriber.get_message(timeout=PATIENCE)
        assert message["channel"].decode() == channel("tvl", "ethereum", "lido")
        assert int(next(stream.follow(0)).event.sequence) == 7
        found = cache.get("tvl", "ethereum", "lido")
    assert found is not None
    assert found.sequence == 7


def test_a_reader_that_fills_the_cache_does_so(
    settings: Settings, writer: psycopg.Connection, url_of: Callable[[str], str]
) -> None:
    writer.execute("INSERT INTO public.tvl (chain, protocol, tvl_usd, source) VALUES ('ethereum', 'lido', 100, 'test')")
    with cache_reader(with_redis(settings, url_of("rtp-cache")), timeout_seconds=PATIENCE) as reader:
        assert reader.get("tvl", "ethereum", "lido") is not None
    with redis.Redis.from_url(url_of("rtp-reader")) as client:
        assert client.exists(cache_key("tvl", "ethereum", "lido")) == 1
        assert client.hget("rtp:cache-total", "tvl.misses") == b"1"  # its counts arrive, too


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("rtp-reader", ("SET", cache_key("tvl", "ethereum", "lido"), "1")),
        ("rtp-reader", ("PUBLISH", "rtp:events:tvl:ethereum:lido", "1")),
        ("rtp-reader", ("XADD", STREAM, "*", "event", "1")),
        ("rtp-reader", ("GET", "others:key")),
        ("rtp-reader", ("EVAL", "return 1", "0")),
        ("rtp-reader", ("KEYS", "*")),
        ("rtp-cache", ("HSET", BASELINE, "value", "1")),
        ("rtp-cache", ("HGETALL", BASELINE)),
        ("rtp-cache", ("XADD", STREAM, "*", "event", "1")),
        ("rtp-cache", ("PUBLISH", "rtp:events:tvl:ethereum:lido", "1")),
        ("rtp-cache", ("EVAL", "return redis.call('SET', KEYS[1], '1')", "1", BASELINE)),
        ("rtp", ("FLUSHALL",)),
        ("rtp", ("CONFIG", "GET", "*")),
        ("rtp", ("SET", "others:key", "1")),
    ],
)
def test_no_user_may_do_more(url_of: Callable[[str], str], user: str, words: tuple[str, ...]) -> None:
    with redis.Redis.from_url(url_of(user)) as client, pytest.raises(redis.ResponseError, match="permission"):
        client.execute_command(*words)


def test_the_rights_of_rtp_suffice_for_its_commands(
    settings: Settings, writer: psycopg.Connection, url_of: Callable[[str], str], rtp: Command
) -> None:
    writer.execute("INSERT INTO public.tvl (chain, protocol, tvl_usd, source) VALUES ('ethereum', 'lido', 100, 'test')")
    environ = environ_of(with_redis(settings, url_of("rtp")))
    for words in ("run --until-idle", "validate", "status", "cache stats", "cache warm"):
        done = rtp(*words.split(), environ=environ)
        assert (done.code, "permission" in done.out + done.err) == (0, False), done.out + done.err


def test_the_rights_of_rtp_suffice_for_the_handler(settings: Settings, url_of: Callable[[str], str]) -> None:
    fed = {"dynamodb": dynamodb_model(SHIPPED).model_validate({"tables": {"tvl": {"table": "tvl"}}})}
    table = Table("tvl", ("chain", "protocol"))
    processor = build_processor(with_redis(settings, url_of("rtp")).model_copy(update=fed))
    table.put(chain="base", protocol="lido", tvl_usd={"N": "100"})
    table.put(chain="base", protocol="lido", tvl_usd={"N": "200"})
    outcome = processor.process(table.records)
    processor.tick()
    assert (len(outcome.events), outcome.failed, outcome.causes) == (1, None, [])
