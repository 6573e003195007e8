"""The index of subscriptions against the filters one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from core.gateway.index import Addressees, Index
from core.gateway.reach import EVERYTHING, Reach
from core.gateway.stream_window import StreamWindow
from rtp_client.event_filter import EventFilter
from tests.placed_events import placed_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.gateway.placed_event import PlacedEvent

NAMES = st.sampled_from(["lido", "Lido", "aave-v3", "aave", "[x]", "ß", "x"])
PATTERNS = st.one_of(NAMES, st.sampled_from(["*", "a*", "*V3", "[ab]*", "[!l]*", "l?do", "SS", "[x", "?", "lido*"]))
PARTS = st.none() | st.lists(PATTERNS, min_size=1, max_size=3).map(tuple)
KINDS = st.sampled_from(["tvl", "price"])
FILTERS = st.builds(
    EventFilter,
    kind=st.none() | KINDS,
    chain=PARTS,
    entity=PARTS,
    min_pct=st.sampled_from([None, 0, 2, 5]),
    severity=st.sampled_from([None, "info", "warning"]),
    reason=st.sampled_from([None, "deviation", ("depeg", "from_zero")]),
)
REACHES = st.builds(Reach, kinds=PARTS, chains=PARTS, entities=PARTS) | st.just(EVERYTHING)
COLUMNS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "kind": KINDS,
        "chain": NAMES,
        "entity": NAMES,
        "change_pct": st.sampled_from(["2", "-5.0", None]),
        "severity": st.sampled_from(["info", "warning", "critical"]),
        "reason": st.sampled_from(["deviation", "depeg", "from_zero"]),
    }
)
JOIN = st.tuples(FILTERS, REACHES)
STEPS = st.lists(st.one_of(JOIN, COLUMNS, st.integers(0, 20)), max_size=60)


def matches(audience: Addressees, one: PlacedEvent) -> bool:
    return audience.filter.matches(one.event) and audience.reach.covers(*one.owner)


def wanted_by(window: StreamWindow, one: PlacedEvent) -> set[Addressees]:
    return {audience for audience in window.add(one).audiences if audience.filter.fits(one.event.data)}


@given(STEPS)
def test_an_event_finds_those_whose_filter_and_reach_it_matches_and_no_others(steps: Sequence[Any]) -> None:
    index = Index()
    window = StreamWindow(0, index)
    joined: list[Addressees] = []
    for number, step in enumerate(steps, start=1):
        match step:
            case tuple():
                joined.append(index.join(*step))
            case int() if step < len(joined):
                index.leave(joined.pop(step))
            case dict():
                one = placed_event(number, **step)
                assert wanted_by(window, one) == {audience for audience in joined if matches(audience, one)}
                assert {audience for audience in joined if audience.wants(one)} == wanted_by(window, one)


@given(st.lists(COLUMNS, max_size=40), JOIN, st.integers(0, 40), st.integers(1, 10))
def test_a_window_gives_the_first_wanted_events_behind_a_place_in_order(
    columns: Sequence[dict[str, Any]], join: tuple[EventFilter, Reach], after: int, limit: int
) -> None:
    index = Index()
    window = StreamWindow(1000, index)
    audience = index.join(*join)
    events = [placed_event(number, **one) for number, one in enumerate(columns, start=1)]
    for one in events:
        window.add(one)
    behind = [one for one in events[after:] if matches(audience, one)]
    position = events[after - 1].position if 0 < after <= len(events) else window.floor
    expected = behind if after <= len(events) else [one for one in events if matches(audience, one)]
    assert window.after(position, audience, limit) == expected[:limit]


def test_a_topic_and_an_audience_that_are_over_leave_nothing_behind() -> None:
    index = Index()
    window = StreamWindow(0, index)
    audience = index.join(EventFilter(entity="lido"), EVERYTHING)
    for number in range(1, 1000):
        window.add(placed_event(number, entity=f"token-{number}"))
    assert len(window) < 300
    assert len(list(index.topics)) == len(window)
    index.leave(audience)
    assert not index.join(EventFilter(entity="lido"), EVERYTHING).topics
