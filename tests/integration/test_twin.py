"""The plain rules have two implementations, the triggers' and the detector's: the same events come out of both.

Each seed is another watch with other rules, and another history. A test that fails names its seed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core.detection.state import Sample
from tests.effort import seeds
from tests.judging import judge_until_level, judging, server_of
from tests.price_table import PriceTable, create_price_table
from tests.random_prices import random_watch
from tests.said import said_with
from tests.twin import Twin, expect_the_same
from tests.watching import install, settings_of

if TYPE_CHECKING:
    import psycopg

    from core.settings.models import Settings

# Its thousands of samples reach nothing that no other test does; followed by coverage they cost half as much again.
pytestmark = pytest.mark.no_cover

NOON = datetime(2024, 3, 19, 12, tzinfo=UTC)
LEVELS = ("READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


@pytest.mark.parametrize("seed", seeds(few=2, many=400))
def test_a_table_updated_in_place_means_the_same_to_both(
    writer: psycopg.Connection, installed: Settings, seed: int
) -> None:
    random = Random(seed)
    settings = random_watch(random, shape="latest", with_clock=False, plain=True)
    create_price_table(writer)
    install(writer, samples=settings)
    watch: Any = settings_of(samples=settings).watches["samples"]
    twin = Twin(watch)
    table = PriceTable(
        writer,
        random,
        see=lambda key, price: twin.judge(key, Sample(price, NOON, said_with(price))),
        forget=twin.delete,
        rename=twin.rename,
    )
    with judging(server_of(writer)) as (log, session):
        for _ in range(120):
            with writer.transaction():
                writer.execute(f"SET TRANSACTION ISOLATION LEVEL {random.choice(LEVELS)}".encode())
                table.step()
            judge_until_level(log, session)
    expect_the_same(writer, installed, twin, has_durations=True)
