"""What is decided upon an entity of a table of shape `latest` of which nothing, or another row, is remembered."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from core.detection.state import Sample
from core.handler.change import Change
from core.handler.decider import Decider
from core.handler.images import watched_tables
from core.handler.memory import Memory
from core.settings.models import Settings
from tests.dynamodb import NOON, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.log.rows import LogRow

COLUMNS = {"token": "token", "value": "price", "changed_at": "time", "confidence": "trust", "provenance": "feed"}
WATCH = {"kind": "price", "table": "prices", "percent": 1, "columns": COLUMNS}
AHEAD = (NOON + timedelta(hours=1)).isoformat()


@pytest.fixture
def prices() -> Table:
    return Table("prices", ("token",))


def told(records: Sequence[dict[str, Any]], *, ticks_at: datetime | None = None, **rules: Any) -> list[LogRow]:
    """The events of records that come one after the other, and of a tick after them."""
    settings = Settings.model_validate(
        {"watches": {"prices": WATCH | rules}, "dynamodb": {"tables": {"prices": {"table": "prices"}}}}
    )
    (table,) = watched_tables(settings)["prices"]
    decider = Decider(settings.watches, {})
    memory, found = Memory(0, None, {}), []
    changes = [change for record in records for change in table.changes(record, 0, Counter())]
    if ticks_at is not None:
        changes.append(Change("prices", changes[0].key, "tick", "tick", Sample(None, ticks_at)))
    for change in changes:
        decision = decider.decide(memory, [change], now=NOON)
        if decision.has_changed:
            memory = Memory(memory.version + 1, decision.state, decision.lanes)
        found += [decider.row(one, sequence=1, detected_at=NOON) for one in decision.raised]
    return found


def cost(amount: str) -> dict[str, str]:
    return {"N": amount}


def test_what_an_item_was_before_a_row_of_the_future_is_what_the_next_one_is_compared_with(prices: Table) -> None:
    prices.put(token="usdc", price=cost("100"))
    records = [
        prices.put(token="usdc", price=cost("7"), time=AHEAD),
        prices.put(token="usdc", price=cost("102"), at=NOON + timedelta(hours=2)),
    ]
    (event,) = told(records)
    assert (event.reason, event.previous, event.current) == ("deviation", "100", "102")


@pytest.mark.parametrize("rules", [{}, {"delete_grace": "1s"}])
def test_a_deletion_has_the_testimony_of_the_row_that_is_gone_and_of_none_before(
    prices: Table, rules: dict[str, Any]
) -> None:
    records = [
        prices.put(token="usdc", price=cost("100"), trust=cost("0.5"), feed="old"),
        prices.put(token="usdc", price=cost("100"), time=AHEAD),
        prices.delete(token="usdc"),
        prices.put(token="usdc", price=cost("1"), at=NOON + timedelta(minutes=1)),
    ]
    (event,) = told(records, confidence=Decimal("0.75"), **rules)
    assert (event.reason, event.confidence, event.provenance) == ("deleted", 0.75, None)


def test_an_item_that_is_back_within_its_grace_is_told_of_with_the_time_of_the_row_that_counts(prices: Table) -> None:
    earlier = NOON - timedelta(days=1)
    records = [
        prices.put(token="usdc", price=cost("100"), time=earlier.isoformat()),
        prices.delete(token="usdc"),
        prices.put(token="usdc", price=cost("7"), time=AHEAD),
    ]
    (event,) = told(records, ticks_at=NOON + timedelta(hours=1), delete_grace="1m", heartbeat="1h")
    assert (event.reason, event.changed_at) == ("heartbeat", earlier)


def test_a_deletion_that_a_row_of_the_future_brings_to_light_is_told_once(prices: Table) -> None:
    records = [
        prices.put(token="usdc", price=cost("100")),
        prices.delete(token="usdc"),
        prices.put(token="usdc", price=cost("7"), time=AHEAD, at=NOON + timedelta(minutes=1)),
    ]
    events = told([*records, records[-1]], ticks_at=NOON + timedelta(minutes=2), delete_grace="1s")
    assert [event.reason for event in events] == ["deleted"]
