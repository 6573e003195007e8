"""Receives of the embedded SQS endpoint wait for what may have made a message available."""

from __future__ import annotations

import asyncio

from core.stack.sqs_server import Receives


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
