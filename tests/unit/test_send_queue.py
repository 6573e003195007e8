"""What waits for a slow client, against a plain list."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from core.gateway.send_queue import SendQueue, WaitingEvent, WaitingMessage
from core.gateway.subscription import Subscription
from tests.placed_events import placed_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT = 6
ADD_EVENT = st.tuples(st.integers(0, 1), st.sampled_from(["lido", "aave", "curve"]))
STEPS = st.lists(st.one_of(ADD_EVENT, st.just("message"), st.just("take")), max_size=80)


def newest(events: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Each entity's last one."""
    return {entity: number for number, entity in events}


def subscription(name: str) -> Subscription:
    nobody = cast("Any", None)
    return Subscription(nobody, name, nobody, slow="conflate", wants_snapshot=False)


@given(STEPS)
def test_each_entity_s_newest_event_comes_and_what_is_left_out_is_counted(steps: Sequence[Any]) -> None:
    queue = SendQueue(LIMIT)
    subscriptions = [subscription("a"), subscription("b")]
    offered: dict[Subscription, list[tuple[int, str]]] = defaultdict(list)
    sent: dict[Subscription, list[tuple[int, str]]] = defaultdict(list)
    messages = 0

    def take() -> None:
        nonlocal messages
        match queue.take():
            case WaitingEvent(owner, one, skipped):
                owner.document(one, skipped)
                sent[owner].append((one.position.sequence, one.event.data.entity))
            case WaitingMessage():
                messages -= 1

    for number, step in enumerate(steps, start=1):
        match step:
            case "take":
                if queue:
                    take()
            case "message":
                messages += queue.add(WaitingMessage("pong", (b"", b""), None), may_conflate=True)
            case place, entity:
                waiting = WaitingEvent(subscriptions[place], placed_event(number, entity=entity))
                if not queue.add(waiting, may_conflate=True):
                    return  # the client is too slow for that: it is disconnected
                offered[subscriptions[place]].append((number, entity))
        assert len(queue) <= LIMIT
    while queue:
        take()
    assert messages == 0
    for one in subscriptions:
        assert sent[one] == sorted(sent[one])
        assert one.n == len(offered[one])
        assert newest(sent[one]) == newest(offered[one])


def test_all_of_it_waits_in_order_while_there_is_room() -> None:
    queue, owner = SendQueue(3), subscription("a")
    for number in (1, 2, 3):
        assert queue.add(WaitingEvent(owner, placed_event(number)), may_conflate=True)
    assert [queue.take()[1] for _ in range(3)] == [placed_event(1), placed_event(2), placed_event(3)]
    assert queue.left_out == 0


def test_who_does_not_want_anything_left_out_has_no_more_room() -> None:
    queue, owner = SendQueue(1), subscription("a")
    assert queue.add(WaitingEvent(owner, placed_event(1)), may_conflate=False)
    assert not queue.add(WaitingEvent(owner, placed_event(2)), may_conflate=False)


def test_more_entities_than_there_is_room_for_have_none() -> None:
    queue, owner = SendQueue(2), subscription("a")
    added = [
        queue.add(WaitingEvent(owner, placed_event(1, entity=name)), may_conflate=True) for name in ("a", "b", "c", "a")
    ]
    assert added == [True, True, False, True]


def test_events_of_an_ended_subscription_wait_no_more() -> None:
    queue, ended, other = SendQueue(9), subscription("a"), subscription("b")
    queue.add(WaitingEvent(ended, placed_event(1)), may_conflate=True)
    queue.add(WaitingEvent(other, placed_event(2)), may_conflate=True)
    queue.drop(ended)
    assert len(queue) == 1
    assert queue.take()[0] is other
