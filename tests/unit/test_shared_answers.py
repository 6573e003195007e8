"""One answer for all who ask the same at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.gateway.rest.shared_answers import SharedAnswers, TooManyQuestions


class Asked:
    """A question whose answer is how often it was asked, and comes when it is told to."""

    def __init__(self) -> None:
        self.times = 0
        self.can_answer = asyncio.Event()

    async def __call__(self) -> int:
        self.times += 1
        await self.can_answer.wait()
        return self.times


async def begun(asking: Any) -> asyncio.Task[Any]:
    """A task that has come as far as it can."""
    task: asyncio.Task[Any] = asyncio.ensure_future(asking)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


def test_who_asks_while_the_answer_is_found_has_that_one() -> None:
    async def run() -> tuple[int, ...]:
        shared, asked = SharedAnswers(), Asked()
        askers = [await begun(shared.get("status", asked, seconds=0)) for _ in range(3)]
        asked.can_answer.set()
        return tuple(await asyncio.gather(*askers))

    assert asyncio.run(run()) == (1, 1, 1)


def test_an_answer_is_given_again_until_it_is_too_old() -> None:
    async def run(seconds: float) -> tuple[int, int]:
        shared, asked = SharedAnswers(), Asked()
        asked.can_answer.set()
        return await shared.get("status", asked, seconds=seconds), await shared.get("status", asked, seconds=seconds)

    assert (asyncio.run(run(60)), asyncio.run(run(0))) == ((1, 1), (1, 2))


def test_an_asker_that_goes_away_takes_the_answer_from_nobody() -> None:
    async def run() -> int:
        shared, asked = SharedAnswers(), Asked()
        first = await begun(shared.get("status", asked, seconds=0))
        second = await begun(shared.get("status", asked, seconds=0))
        first.cancel()
        await asyncio.sleep(0)
        asked.can_answer.set()
        return int(await second)

    assert asyncio.run(run()) == 1


def test_a_hundred_different_questions_wait_at_most() -> None:
    async def run() -> None:
        shared, asked = SharedAnswers(), Asked()
        waiting = [await begun(shared.get(number, asked, seconds=0)) for number in range(100)]
        with pytest.raises(TooManyQuestions):
            await shared.get("one more", asked, seconds=0)
        same = await begun(shared.get(0, asked, seconds=0))  # who asks the same waits with the others
        assert (asked.times, same.done()) == (100, False)
        await shared.close()
        await asyncio.gather(*waiting, same, return_exceptions=True)

    asyncio.run(run())
