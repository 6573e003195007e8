"""The steps of the embedded SQS endpoint that rtp replaces do what the endpoint's own do."""

from __future__ import annotations

import asyncio
import time
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.stack.sqs_server import Receives, forget_expired, forget_expired_slowly


@given(st.lists(st.integers(-300, 300).filter(bool), max_size=20))
def test_it_forgets_what_the_endpoints_own_step_forgets(seconds_left: list[int]) -> None:
    now = time.time()
    noted = {f"id-{number}": {"expire": now + left} for number, left in enumerate(sorted(seconds_left))}
    ours: dict[str, Any] = {"dedup_cache": deepcopy(noted)}
    its_own: dict[str, Any] = {"dedup_cache": deepcopy(noted)}
    forget_expired(ours)
    forget_expired_slowly(its_own)
    assert ours == its_own


async def _ask(receives: Receives, queue: str, asked: list[str], name: str, seconds: float = 30) -> None:
    await receives.wait(queue, seconds)
    asked.append(name)


def first_to_look(waiting: dict[str, str], changed: str) -> list[str]:
    """Receives wait, by name, each for its queue; one queue changes: who has looked once somebody has."""

    async def look() -> list[str]:
        receives, looked = Receives(), list[str]()
        asking = [asyncio.create_task(_ask(receives, queue, looked, name)) for name, queue in waiting.items()]
        await asyncio.sleep(0)
        receives.wake_one(changed)
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        return looked

    return asyncio.run(look())


def test_a_change_lets_the_receive_look_that_has_waited_longest() -> None:
    assert first_to_look({"first": "q", "second": "q"}, "q") == ["first"]


def test_a_change_of_one_queue_is_no_news_for_another() -> None:
    assert first_to_look({"a": "a", "b": "b"}, "b") == ["b"]


def test_a_receive_that_has_given_up_takes_nobodys_turn() -> None:
    async def look() -> list[str]:
        receives, looked = Receives(), list[str]()
        await receives.wait("q", 0.001)
        waiting = asyncio.create_task(_ask(receives, "q", looked, "patient"))
        await asyncio.sleep(0)
        receives.wake_one("q")
        await waiting
        return looked

    assert asyncio.run(look()) == ["patient"]
