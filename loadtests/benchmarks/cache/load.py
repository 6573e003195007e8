"""Hit ratio and age: Zipf(1.1) reads, while 1,000 events/s are written to random entities and entries live 30 s."""

from __future__ import annotations

import multiprocessing as mp
import random
import time
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import psycopg

from core.cache.readers import cache_reader
from core.settings.models import Settings, postgres_dsn
from loadtests.benchmarks.percentiles import percentiles_ms
from rtp_client.redis import redis_client

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import SynchronizedArray
    from multiprocessing.synchronize import Event as Flag

    from core.settings.models import Settings

EXPONENT = 1.1
EVENTS_PER_SECOND = 1000
READS_PER_SECOND = 2000
TTL_SECONDS = 30
UPDATE = "UPDATE tvl SET tvl_usd = %s, updated_at = clock_timestamp() WHERE chain = 'bench' AND protocol = %s"
_VERSION_DIGITS = 6
_SHARES = (("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0))


def measure_load(settings: Settings, entities: int, seconds: int) -> dict[str, Any]:
    """Read for so long, once the first entries have had the time to expire."""
    context, document = mp.get_context("spawn"), settings.own_document()
    stop, results, probes = context.Event(), context.Queue(), context.Queue()
    committed = context.Array("d", entities * 2)  # of each entity: its newest version, and when that was committed
    children = [
        context.Process(target=_write, args=(postgres_dsn(settings), committed, probes, stop)),
        context.Process(target=_read, args=(document, committed, TTL_SECONDS, seconds, results)),
        context.Process(target=_probe, args=(document, probes, results)),
    ]
    for child in children:
        child.start()
    figures: dict[str, Any] = {}
    for _ in range(2):
        figures |= results.get(timeout=TTL_SECONDS + seconds + 60)
        stop.set()
        probes.put(None)
    for child in children:
        child.join(30)
    with redis_client(settings.redis.url or "") as client:
        figures["expired_entries"] = client.info("stats")["expired_keys"]
    return figures


def _value(version: int) -> str:
    """Two values in turn, 10 % apart, whose decimals are the version."""
    return f"{1000 + 100 * (version % 2)}.{version:0{_VERSION_DIGITS}}"


def _version(value: str | None) -> int:
    decimals = (value or "").partition(".")[2]
    return int(decimals) if len(decimals) == _VERSION_DIGITS else 0  # else it is the value that was there before


def _write(dsn: str, committed: SynchronizedArray[float], probes: mp.Queue[Any], stop: Flag) -> None:
    chance, versions = random.Random(1), committed.get_obj()
    entities = len(versions) // 2
    with psycopg.connect(dsn, autocommit=True) as connection:
        started, number = time.perf_counter(), 0
        while not stop.is_set():
            wait = started + number / EVENTS_PER_SECOND - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            number += 1
            entity = chance.randrange(entities)
            version = int(versions[2 * entity]) + 1
            connection.execute(UPDATE, (_value(version), f"p{entity}"), prepare=True)
            versions[2 * entity + 1] = time.time()
            versions[2 * entity] = version
            if number % 20 == 0:
                probes.put((entity, version, versions[2 * entity + 1]))


def _read(
    document: Any, committed: SynchronizedArray[float], warm_up: int, seconds: int, results: mp.Queue[Any]
) -> None:
    """Reads on schedule. The age of what is read is counted from the commit of the version that it lacks."""
    chance, versions = random.Random(2), committed.get_obj()
    entities = len(versions) // 2
    weights = list(accumulate(1 / rank**EXPONENT for rank in range(1, entities + 1)))
    order = list(range(entities))
    chance.shuffle(order)
    ages: list[float] = []
    sources: dict[str, int] = {"cache": 0, "database": 0}
    with cache_reader(Settings.model_validate(document)) as reader:
        started, number = time.perf_counter(), 0
        while (passed := time.perf_counter() - started) < warm_up + seconds:
            if number / READS_PER_SECOND > passed:
                time.sleep(number / READS_PER_SECOND - passed)
            number += 1
            entity = chance.choices(order, cum_weights=weights)[0]
            newest, at = int(versions[2 * entity]), float(versions[2 * entity + 1])
            found = reader.get("tvl", "bench", f"p{entity}")
            assert found is not None
            if passed >= warm_up:
                sources[found.source] += 1
                ages.append(time.time() - at if _version(found.value) < newest else 0.0)
    hit_ratio = sources["cache"] / sum(sources.values())
    figures = {"hit_ratio_percent": round(hit_ratio * 100, 2), "reads": len(ages)}
    results.put(figures | percentiles_ms("age_seen_", ages, _SHARES))


def _probe(document: Any, probes: mp.Queue[Any], results: mp.Queue[Any]) -> None:
    """How long after its commit an update is seen by a reader who asks for nothing else."""
    waits = []
    with cache_reader(Settings.model_validate(document), is_counted=False) as reader:
        while (probe := probes.get()) is not None:
            entity, version, committed_at = probe
            while True:
                found = reader.get("tvl", "bench", f"p{entity}")
                if found and _version(found.value) >= version:
                    break
                time.sleep(0.0005)  # not to take the machine from those who are measured
            waits.append(time.time() - committed_at)
    results.put(percentiles_ms("update_seen_after_", waits[len(waits) // 4 :], _SHARES))
