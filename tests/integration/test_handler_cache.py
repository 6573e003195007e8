"""The cache on the way from a stream: as fresh as what was judged, also where that was too small for an event."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from core.handler.build import build_processor
from core.settings.guard import GlitchGuard
from rtp_client import CacheReader
from rtp_client.cache.loading import Claim, Guarded
from rtp_client.cache.scripts import CLAIM, WRITE, claim_arguments, write_arguments
from rtp_client.keys import cache_key
from tests.dynamodb import NOON, Table, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from core.settings.models import Settings
    from rtp_client import Entry

LIDO = ("ethereum", "lido")
KEY = cache_key("tvl", *LIDO)


@pytest.fixture
def reader(redis_url: str) -> Iterator[CacheReader]:
    with CacheReader(redis_url, is_counted=False) as made:
        yield made


def read(reader: CacheReader, kind: str = "tvl", pair: tuple[str, str] = LIDO) -> Entry:
    found = reader.get(kind, *pair)
    assert found is not None
    return found


def test_a_change_too_small_for_an_event_is_the_cached_value(aws: Settings, tvl: Table, reader: CacheReader) -> None:
    (event,) = build_processor(aws).process([put(tvl, "100"), put(tvl, "102"), put(tvl, "102.5")]).events
    entry = read(reader)
    assert (entry.value, entry.event) == ("102.5", event)
    assert entry.sequence > int(event.sequence)


def test_an_event_behind_it_is_the_cached_value_again(aws: Settings, tvl: Table, reader: CacheReader) -> None:
    events = build_processor(aws).process([put(tvl, value) for value in ("100", "102", "102.5", "110")]).events
    entry = read(reader)
    assert (entry.value, entry.sequence) == ("110", int(events[-1].sequence))


def test_a_first_sighting_is_cached_without_an_event(aws: Settings, tvl: Table, reader: CacheReader) -> None:
    build_processor(aws).process([put(tvl, "100")])
    entry = read(reader)
    assert (entry.value, entry.event, entry.as_of) == ("100", None, NOON)


def test_a_null_is_cached_as_one(aws: Settings, tvl: Table, reader: CacheReader) -> None:
    build_processor(aws).process([put(tvl, None)])
    assert read(reader).value is None


def test_a_value_in_quarantine_is_the_cached_one(aws: Settings, tvl: Table, reader: CacheReader) -> None:
    watch = aws.watches["tvl"].model_copy(update={"glitch_guard": GlitchGuard(factor=Decimal(2))})
    settings = aws.model_copy(update={"watches": {**aws.watches, "tvl": watch}})
    assert build_processor(settings).process([put(tvl, "100"), put(tvl, "900")]).events == []
    assert read(reader).value == "900"


def test_a_deleted_item_is_cached_as_deleted(aws: Settings, tvl: Table, reader: CacheReader) -> None:
    build_processor(aws).process([put(tvl, "100"), tvl.delete(chain="ethereum", protocol="lido")])
    assert read(reader).is_deleted


def test_an_item_that_comes_back_without_an_event_is_not_deleted(
    aws: Settings, tvl: Table, reader: CacheReader
) -> None:
    build_processor(aws).process([put(tvl, "100"), tvl.delete(chain="ethereum", protocol="lido"), put(tvl, "7")])
    entry = read(reader)
    assert (entry.value, entry.is_deleted) == ("7", False)


def test_metadata_is_cached_whole_after_a_change_of_one_attribute(aws: Settings, reader: CacheReader) -> None:
    table = Table("protocols", ("protocol", "chain"))
    for audits in ("2", "3"):
        table.put(protocol="lido", chain="all", name="Lido", audits={"N": audits})
    build_processor(aws).process(table.records)
    fields = read(reader, "protocol", ("all", "lido")).fields
    assert fields is not None
    assert (fields["name"], fields["audits"]) == ("Lido", 3)


def test_redelivery_leaves_the_entry_as_it_is(aws: Settings, tvl: Table, client: redis.Redis) -> None:
    processor = build_processor(aws)
    batch = [put(tvl, "100"), put(tvl, "102"), put(tvl, "102.5")]
    processor.process(batch)
    before: Any = client.hgetall(KEY)
    processor.process(batch)
    assert client.hgetall(KEY) == before


def test_a_fill_that_began_before_the_change_is_refused(
    aws: Settings, tvl: Table, client: redis.Redis, reader: CacheReader
) -> None:
    client.eval(CLAIM, 1, KEY, *claim_arguments(Claim([KEY], "mine")))
    build_processor(aws).process([put(tvl, "100")])
    fill = Guarded(KEY, "claim", "mine", 1000, ("as_of", "2099-01-01T00:00:00Z", "current", "99", "sequence", "0"))
    assert client.eval(WRITE, 1, KEY, *write_arguments(fill)) == 0
    assert read(reader).value == "100"


def test_a_comparison_that_began_before_the_change_is_refused(
    aws: Settings, tvl: Table, client: redis.Redis, reader: CacheReader
) -> None:
    processor = build_processor(aws)
    processor.process([put(tvl, "100")])
    seen: Any = client.hget(KEY, "sequence")
    processor.process([put(tvl, "100.1")])
    write = Guarded(KEY, "sequence", seen.decode(), 0, ("as_of", "2099-01-01T00:00:00Z", "current", "100"))
    assert client.eval(WRITE, 1, KEY, *write_arguments(write)) == 0
    assert read(reader).value == "100.1"


def test_an_entry_that_is_written_lives_as_long_as_its_kind_does(
    aws: Settings, tvl: Table, client: redis.Redis
) -> None:
    build_processor(aws).process([put(tvl, "100")])
    lifetime: Any = client.pttl(KEY)
    assert 0.9 * 3600 <= timedelta(milliseconds=lifetime).total_seconds() <= 3600


def test_a_late_sample_is_not_the_cached_value(aws: Settings, reader: CacheReader) -> None:
    watch = aws.watches["prices"].model_copy(update={"shape": "history"})
    settings = aws.model_copy(update={"watches": {**aws.watches, "prices": watch}})
    table = Table("prices", ("token", "updated_at"))
    for price, minute in (("1", 0), ("1.0001", 2), ("9", 1)):
        time = (NOON + timedelta(minutes=minute)).isoformat()
        table.put(at=NOON + timedelta(hours=1), token="usdc", chain="base", price_usd={"N": price}, updated_at=time)
    build_processor(settings).process(table.records)
    entry = read(reader, "price", ("base", "usdc"))
    assert (entry.value, entry.as_of) == ("1.0001", NOON + timedelta(hours=1))
