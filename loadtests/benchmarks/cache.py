"""How good is the cache: hit ratio, speed beside bare Redis, and how old what readers see is. `make cache` runs it.

Everything runs on this machine, on the embedded stack: rtp, the writer and the readers are processes of their own.
Hit ratio and age: Zipf(1.1) reads over 10,000 entities, while 1,000 events/s are written to random ones of them and
entries live 30 s. Speed: one reader, beside redis-py's GET and MGET of strings of the same size, in turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from core.cache.readers import cache_reader
from core.demo.tables import create_tables
from core.services.postgres import connect
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from rtp_client.keys import cache_key
from rtp_client.redis import redis_client
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.sharedctypes import SynchronizedArray
    from multiprocessing.synchronize import Event as Flag

    from core.settings.models import Settings

ENTITIES = 10_000
EXPONENT = 1.1
EVENTS_PER_SECOND = 1000
READS_PER_SECOND = 2000
TTL_SECONDS = 30
MANY = 100
UPDATE = "UPDATE tvl SET tvl_usd = %s, updated_at = clock_timestamp() WHERE chain = 'bench' AND protocol = %s"


def main() -> None:
    """Measure and print; `--json` for scripts."""
    parser = argparse.ArgumentParser(description="Measure the cache on the embedded stack.")
    parser.add_argument("--seconds", type=int, default=30, help="how long to read while events flow (default 30)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    with EmbeddedStack() as stack, tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rtp.yaml")
        settings = _prepare(stack, path)
        with _rtp(path):
            figures = _measure_load(settings, arguments.seconds)
            figures |= _measure_speed(settings)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:36} {value}")


def _prepare(stack: EmbeddedStack, path: Path) -> Settings:
    addresses = stack.addresses
    options = {"postgres.dsn": addresses.postgres_dsn, "redis.url": addresses.redis_url}
    document = load_settings(None, environ={}, options=options).model_dump(mode="json", exclude_none=True)
    document["sqs"].pop("queue")
    document["redis"]["cache_ttl_seconds"] = TTL_SECONDS
    path.write_text(json.dumps(document), encoding="utf-8")
    settings = load_settings(path, environ={}, options={})
    with closing(connect(addresses.postgres_dsn, role="bench")) as connection:
        create_tables(connection)
        connection.execute(
            "INSERT INTO tvl SELECT 'bench', 'p' || g, 1000, 'bench', now() FROM generate_series(0, %s) AS g",
            [ENTITIES - 1],
        )
        apply(connection, plan_installation(connection, settings))
    return settings


@contextmanager
def _rtp(path: Path) -> Iterator[None]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RTP_")}
    command = [sys.executable, "-m", "cli", "run", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environ)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _measure_load(settings: Settings, seconds: int) -> dict[str, Any]:
    context = mp.get_context("spawn")
    stop, results, probes = context.Event(), context.Queue(), context.Queue()
    committed = context.Array("d", ENTITIES * 2)  # of each entity: its newest version, and when that was committed
    children = [
        context.Process(target=_write, args=(settings, committed, probes, stop)),
        context.Process(target=_read, args=(settings, committed, TTL_SECONDS, seconds, results)),
        context.Process(target=_probe, args=(settings, probes, results)),
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
    return f"{1000 + 100 * (version % 2)}.{version:06}"


def _version(value: str | None) -> int:
    return int((value or "0").partition(".")[2] or 0)


def _write(settings: Settings, committed: SynchronizedArray[float], probes: mp.Queue[Any], stop: Flag) -> None:
    chance, versions = random.Random(1), committed.get_obj()
    with psycopg.connect(settings.postgres.dsn or "", autocommit=True) as connection:
        started, number = time.perf_counter(), 0
        while not stop.is_set():
            wait = started + number / EVENTS_PER_SECOND - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            number += 1
            entity = chance.randrange(ENTITIES)
            version = int(versions[2 * entity]) + 1
            connection.execute(UPDATE, (_value(version), f"p{entity}"), prepare=True)
            versions[2 * entity + 1] = time.time()
            versions[2 * entity] = version
            if number % 20 == 0:
                probes.put((entity, version, versions[2 * entity + 1]))


def _read(
    settings: Settings, committed: SynchronizedArray[float], warm_up: int, seconds: int, results: mp.Queue[Any]
) -> None:
    """Reads on schedule. The age of what is read is counted from the commit of the version that it lacks."""
    chance, versions = random.Random(2), committed.get_obj()
    weights = list(accumulate(1 / rank**EXPONENT for rank in range(1, ENTITIES + 1)))
    order = list(range(ENTITIES))
    chance.shuffle(order)
    ages: list[float] = []
    sources: dict[str, int] = {"cache": 0, "database": 0}
    with cache_reader(settings) as reader:
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
    results.put({"hit_ratio_percent": round(hit_ratio * 100, 2), "reads": len(ages), **_ms("age_seen", ages)})


def _probe(settings: Settings, probes: mp.Queue[Any], results: mp.Queue[Any]) -> None:
    """How long after its commit an update is seen by a reader who asks for nothing else."""
    waits = []
    with cache_reader(settings, is_counted=False) as reader:
        while (probe := probes.get()) is not None:
            entity, version, committed_at = probe
            while True:
                found = reader.get("tvl", "bench", f"p{entity}")
                if found and _version(found.value) >= version:
                    break
                time.sleep(0.0005)  # not to take the machine from those who are measured
            waits.append(time.time() - committed_at)
    results.put(_ms("update_seen_after", waits[len(waits) // 4 :]))


def _measure_speed(settings: Settings, rounds: int = 40) -> dict[str, Any]:
    """In turns, so that a noisy machine disturbs both alike; the median round of each."""
    names = [f"p{number}" for number in range(ENTITIES)]
    with (
        redis_client(settings.redis.url or "") as client,
        cache_reader(settings) as reader,
    ):
        reader.get_many("tvl", [("bench", name) for name in names])
        for name in names:
            event = client.hget(cache_key("tvl", "bench", name), "event") or b"x" * 900
            client.set(f"bench:{name}", event, ex=300)
            client.expire(cache_key("tvl", "bench", name), 300)
        chance = random.Random(3)

        def one() -> str:
            return names[chance.randrange(ENTITIES)]

        def many() -> list[str]:
            return [names[(start + step) % ENTITIES] for start in [chance.randrange(ENTITIES)] for step in range(MANY)]

        def mget(some: Sequence[str]) -> None:
            client.mget([f"bench:{name}" for name in some])

        def get(name: str) -> None:
            client.get(f"bench:{name}")

        bare = _race(rounds, 200, one, get, lambda name: reader.get("tvl", "bench", name))
        batch = _race(rounds, 20, many, mget, lambda some: reader.get_many("tvl", [("bench", name) for name in some]))
        client.delete(*(f"bench:{name}" for name in names))
    return _compared("get", "GET", bare, 1) | _compared("get_many", "MGET", batch, MANY) | _counting(bare[1])


def _race(
    rounds: int, calls: int, choose: Callable[[], Any], *contenders: Callable[[Any], object]
) -> list[list[float]]:
    """The seconds that each call of each contender took."""
    taken: list[list[float]] = [[] for _ in contenders]
    for _ in range(rounds):
        asked = [choose() for _ in range(calls)]
        for contender, seconds in zip(contenders, taken, strict=True):
            for one in asked:
                started = time.perf_counter()
                contender(one)
                seconds.append(time.perf_counter() - started)
    return taken


def _compared(name: str, bare_name: str, taken: Sequence[list[float]], entries: int) -> dict[str, Any]:
    bare, own = (sorted(seconds) for seconds in taken)
    figures: dict[str, Any] = {}
    for title, seconds in ((bare_name, bare), (name, own)):
        figures[f"{title}_entries_per_second"] = round(entries / _at(seconds, 0.5))
        figures[f"{title}_p99_ms"] = round(_at(seconds, 0.99) * 1000, 3)
    figures[f"{name}_time_beside_{bare_name}"] = round(_at(own, 0.5) / _at(bare, 0.5), 2)
    figures[f"{name}_p99_beside_{bare_name}"] = round(_at(own, 0.99) / _at(bare, 0.99), 2)
    return figures


def _counting(reads: Sequence[float], calls: int = 100_000) -> dict[str, float]:
    """What counting a read costs: the append, and the reader's share of the flush."""
    from rtp_client.cache.counts import Counts, commands  # noqa: PLC0415  (only this needs the inside)

    counts = Counts()
    key = cache_key("tvl", "bench", "p1")
    started = time.perf_counter()
    for _ in range(calls):
        counts.hits.append((key,))
    commands(counts.take(), time.time())
    share = (time.perf_counter() - started) / calls / _at(sorted(reads), 0.5)
    return {"counting_percent_of_get": round(share * 100, 2)}


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ms(name: str, seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {f"{name}_{title}_ms": round(_at(ordered, share) * 1000, 2) for title, share in shares.items()}


if __name__ == "__main__":
    main()
