"""The load: single updates of random entities on schedule, each a significant change."""

from __future__ import annotations

import multiprocessing as mp
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from loadtests.benchmarks.watched_demo import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Event as Flag

_UPDATE = QUERIES["change_one"].replace(b":k", b"%s")


@contextmanager
def writing(dsn: str, entities: int, rate: int) -> Iterator[None]:
    """Write while the block runs."""
    context = mp.get_context("spawn")
    stop = context.Event()
    child = context.Process(target=_write, args=(dsn, entities, rate, stop), daemon=True)
    child.start()
    try:
        yield
    finally:
        stop.set()
        child.join(10)
        child.kill()


def _write(dsn: str, entities: int, rate: int, stop: Flag) -> None:
    chance = random.Random(1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        started, number = time.perf_counter(), 0
        while not stop.is_set():
            wait = started + number / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            number += 1
            connection.execute(_UPDATE, (str(chance.randrange(entities)),), prepare=True)
