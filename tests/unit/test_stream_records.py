"""Stream records as they should not be: each is read or refused with its reason, and none ends the batch."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import EventRejected
from core.handler.decider import Decider
from core.handler.decision import entities
from core.handler.images import watched_tables
from core.handler.memory import Memory, read_state, write_state
from core.handler.record import table_of
from core.kinds import SHIPPED
from core.letters.stream_letters import StreamLetter
from core.log.rows import event_called
from core.settings.dynamodb import dynamodb_model
from core.sinks.settings import load_settings
from rtp_client.attribute_json import exact_number
from tests.dynamodb import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = dynamodb_model(SHIPPED).model_validate(
    {"tables": {"tvl": {"table": "tvl"}, "prices": {"table": "prices"}, "protocols": {"table": "protocols"}}}
)
NAMES = st.sampled_from(("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS", "a"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from(("1E125", "1e-130", "1e999", "NaN", "sNaN", "-Infinity", "1_0", "\u0663", "9" * 60, "\ud800"))
)
ANYTHING = st.recursive(
    LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(NAMES, part, max_size=2), max_leaves=6
)


def _records() -> list[dict[str, Any]]:
    tvl, prices, protocols = (
        Table("tvl", ("chain", "protocol")),
        Table("prices", ("token",)),
        Table("protocols", ("protocol",)),
    )
    for value in ("1", "2"):
        tvl.put(chain="base", protocol="lido", tvl_usd={"N": value}, updated_at={"N": "1700000000"})
    tvl.delete(chain="base", protocol="lido")
    prices.put(token="usdc", chain="base", price_usd={"N": "1"}, updated_at="2024-01-01T00:00:00Z")
    protocols.put(protocol="lido", chain="all", name="Lido", category={"M": {"a": {"L": [{"S": "x"}]}}})
    protocols.put(protocol="lido", chain="all", name="Lido", category={"NS": ["2", "1"]}, audits={"N": "3"})
    return [*tvl.records, *prices.records, *protocols.records]


RECORDS = _records()


def _places(part: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield place
    if isinstance(part, dict):
        for name, member in part.items():
            yield from _places(member, (*place, name))


@st.composite
def broken_records(draw: st.DrawFn) -> Any:
    """A good record of which one part, or all of it, is something else or missing."""
    record = json.loads(json.dumps(draw(st.sampled_from(RECORDS))))
    *way, last = draw(st.sampled_from([place or ("",) for place in _places(record)]))
    if not last:
        return draw(ANYTHING)
    part = record
    for name in way:
        part = part[name]
    if draw(st.booleans()):
        part[last] = draw(ANYTHING)
    else:
        del part[last]
    return record


SETTINGS = load_settings(None, environ={}, options={}).model_copy(update={"dynamodb": TABLES})
WATCHED, DECIDER = watched_tables(SETTINGS), Decider(SETTINGS.watches, {})


@given(broken_records())
def test_a_record_is_read_or_refused_whatever_it_is(record: Any) -> None:
    for table in WATCHED.get(table_of(record), ()):
        try:
            changes = table.changes(record, 0, Counter())
        except EventRejected as refusal:
            assert str(refusal)
            assert StreamLetter(str(refusal), record=record).body()
            continue
        for group in entities(changes).values():
            decision = DECIDER.decide(Memory(), group, now=datetime.now(UTC))
            assert (
                read_state(write_state(decision.state)) == decision.state
                or "nan" in write_state(decision.state).lower()
            )
            for raised in decision.raised:
                row = DECIDER.row(raised, sequence=1, detected_at=datetime.now(UTC))
                try:
                    event_called(raised.change.event_id, row, source="/rtp")
                except EventRejected as refusal:
                    assert str(refusal)


@pytest.mark.parametrize(
    ("digits", "number"),
    [
        ("3", 3),
        ("3.0", 3.0),
        ("1e5", 100_000),
        ("1E-130", 1e-130),
        ("1E125", 10**125),
        ("0.1", 0.1),
        ("1" * 30, "1" * 30),
    ],
)
def test_a_metadata_number_is_one_where_a_double_holds_it(digits: str, number: Any) -> None:
    assert (exact_number(digits), type(exact_number(digits))) == (number, type(number))


def test_an_event_too_long_for_a_dead_letter_is_named() -> None:
    event = {"id": "1", "subject": "base/lido", "data": {"fields": "x" * 2_000_000}}
    letter = json.loads(StreamLetter("too long", event=json.dumps(event)).body())
    assert json.loads(letter["event"]) == {"id": "1", "subject": "base/lido"}
