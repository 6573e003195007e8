"""Which streams must be read in one line, and how long a sample may wait for earlier ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from core.detection.state import Sample
from core.errors import SettingsError
from core.handler.change import Change, RecordPlace
from core.handler.decider import Decider
from core.handler.memory import (
    Memory,
    read_lanes,
    read_state,
    read_waiting,
    write_lanes,
    write_state,
    write_waiting,
)
from core.handler.ordering import needs_factor_one
from core.settings.models import Settings
from core.sinks.settings import load_settings
from tests.dynamodb import NOON
from tests.effort import seeds
from tests.random_prices import random_watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.detection.report import Report

COLUMNS = {"token": "token", "value": "price", "changed_at": "time"}


def settings(shape: str, **table: Any) -> Settings:
    watch = {"kind": "price", "table": "prices", "shape": shape, "columns": COLUMNS}
    tables = {"prices": {"table": "prices", **table}}
    return Settings.model_validate({"watches": {"prices": watch}, "dynamodb": {"tables": tables}})


@pytest.mark.parametrize(
    ("shape", "table", "must"),
    [("latest", {}, False), ("history", {}, True), ("history", {"reorder": "2s"}, False)],
)
def test_a_history_needs_a_parallelisation_factor_of_1_unless_its_samples_wait_for_each_other(
    shape: str, table: dict[str, Any], must: bool
) -> None:
    assert needs_factor_one(settings(shape, **table), "prices") is must


@pytest.mark.parametrize(
    ("shape", "reorder", "complaint"),
    [
        ("latest", "2s", "prices is no history, so its items need no reorder. Remove it"),
        ("history", "1h", "dynamodb.tables.prices.reorder"),
    ],
)
def test_what_cannot_wait_is_refused_in_one_line(tmp_path: Any, shape: str, reorder: str, complaint: str) -> None:
    path = tmp_path / "rtp.yaml"
    path.write_text(
        f"watches: {{prices: {{kind: price, table: prices, shape: {shape}, columns: {COLUMNS}}}}}\n"
        f"dynamodb: {{tables: {{prices: {{table: prices, reorder: {reorder}}}}}}}\n"
    )
    with pytest.raises(SettingsError) as raised:
        load_settings(path, environ={}, options={})
    assert complaint in str(raised.value)
    assert f"{path}:2:" in str(raised.value)


REORDER = timedelta(seconds=2)
KEY = ("base", "usdc")


def change(number: int, price: str, at: datetime) -> Change:
    """A sample of an item of its own."""
    position = RecordPlace(f"item-{number}", number)
    return Change("prices", KEY, "sample", f"event-{number}", Sample(Decimal(price), at, seen_at=at), number, position)


def told(decider: Decider, deliveries: Iterable[tuple[datetime, Sequence[Change]]]) -> list[tuple[str, Report | None]]:
    """The events of batches, each at its moment, through the memory's spelling in Redis."""
    memory = Memory()
    found: list[tuple[str, Report | None]] = []
    for now, batch in deliveries:
        decision = decider.decide(memory, batch, now=now)
        found.extend((raised.change.event_id, raised.report) for raised in decision.raised)
        memory = Memory(
            memory.version + 1,
            read_state(write_state(decision.state)),
            read_lanes(write_lanes(decision.lanes)),
            waiting=read_waiting(write_waiting(decision.waiting)),
        )
    return found


@pytest.mark.parametrize("seed", seeds(few=30, many=1000))
def test_samples_that_wait_are_judged_as_though_they_had_come_in_order_and_once(seed: int) -> None:
    random = Random(seed)
    watch = random_watch(random, shape="history", with_clock=True) | {"emit_first": True, "columns": COLUMNS}
    watches = Settings.model_validate({"watches": {"prices": watch}}).watches
    clock, changes = NOON, list[Change]()
    for number in range(60):
        clock += timedelta(milliseconds=random.choice((0, 1, 40, 700, 31_000)))
        changes.append(change(number, random.choice(("1", "1.001", "1.02", "0.5", "2", "100")), clock))
    handed_over = sorted((one.sample.at + random.random() * REORDER, one.record) for one in changes)
    deliveries: list[tuple[datetime, Sequence[Change]]] = []
    while handed_over:
        some = [handed_over.pop(0) for _ in range(min(len(handed_over), random.choice((1, 3, 10))))]
        batch = [changes[number] for _, number in some]
        deliveries += [(some[-1][0], batch)] * random.choice((1, 1, 2))
        if random.random() < 0.2:  # a checkpoint was lost
            deliveries.append((some[-1][0], random.choice(deliveries)[1]))
    end = clock + timedelta(seconds=10)
    tick = replace(changes[0], what="tick", event_id="tick", sample=Sample(None, end), position=None)
    waited = told(Decider(watches, {"prices": REORDER}), [*deliveries, (end, [tick])])
    in_order = told(Decider(watches, {}), [(one.sample.at, [one]) for one in changes])
    assert [event for event in waited if event[0] != "tick"] == in_order


def test_a_heartbeat_comes_as_much_later_as_samples_wait() -> None:
    watch = {"kind": "price", "table": "p", "shape": "history", "columns": COLUMNS, "heartbeat": "1m"}
    decider = Decider(Settings.model_validate({"watches": {"prices": watch}}).watches, {"prices": REORDER})
    first = decider.decide(Memory(), [change(1, "1", NOON)], now=NOON)
    assert (first.state, first.due_at) == (None, NOON + REORDER)
    tick = replace(change(0, "1", NOON), what="tick", position=None, sample=Sample(None, NOON + REORDER))
    judged = decider.decide(Memory(1, None, first.lanes, waiting=first.waiting), [tick], now=NOON + REORDER)
    assert (judged.waiting, judged.due_at) == ((), NOON + timedelta(minutes=1) + REORDER)


def test_samples_that_wait_are_judged_in_order_although_the_settings_no_longer_have_them_wait() -> None:
    watch = {"kind": "price", "table": "p", "shape": "history", "columns": COLUMNS, "emit_first": True}
    watches = Settings.model_validate({"watches": {"prices": watch}}).watches
    second, third = change(2, "2", NOON + timedelta(seconds=2)), change(3, "3", NOON + timedelta(seconds=3))
    held = Decider(watches, {"prices": REORDER}).decide(Memory(), [second], now=NOON)
    memory = Memory(1, held.state, held.lanes, waiting=held.waiting)
    decision = Decider(watches, {}).decide(memory, [third, second], now=NOON)
    assert [raised.change.event_id for raised in decision.raised] == ["event-2", "event-3"]
    assert (decision.waiting, decision.notes["repeated"]) == ((), 1)


def test_a_sample_behind_later_records_is_out_of_order_and_a_redelivered_one_is_not() -> None:
    watch = {"kind": "price", "table": "p", "shape": "history", "columns": COLUMNS}
    decider = Decider(Settings.model_validate({"watches": {"prices": watch}}).watches, {})
    batch = [change(number, "1", NOON + timedelta(seconds=number)) for number in range(100) if number != 90]
    first = decider.decide(Memory(), batch, now=NOON)
    memory = Memory(1, first.state, first.lanes)
    again = decider.decide(memory, batch, now=NOON)
    assert (again.notes["out_of_order"], again.notes["late"] + again.notes["repeated"]) == (0, 99)
    behind = decider.decide(memory, [change(90, "2", NOON + timedelta(seconds=90))] * 2, now=NOON)
    assert (behind.notes["out_of_order"], behind.notes["repeated"]) == (1, 1)
