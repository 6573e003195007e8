"""One answer for all who ask the same: while it is being found, and for a short time after."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import RtpError
from core.gateway.unheard import note_failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

_MOST_KEPT = 1000
_MOST_AT_ONCE = 100


class TooManyQuestions(RtpError):
    """So many different questions wait for their answers that another one would wait for too long."""

    def __init__(self) -> None:
        super().__init__("too many questions wait for their answers", "Ask again in a second")


@dataclass
class _SharedAnswer:
    answer: asyncio.Task[Any]
    until: float


class SharedAnswers:
    """For one event loop. An asker that goes away takes the answer from nobody else."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _SharedAnswer] = OrderedDict()
        self._at_work = 0

    async def get(self, question: Hashable, find: Callable[[], Awaitable[Any]], *, seconds: float) -> Any:
        """The answer, which is `seconds` old at most. Raises what finding it raises, and TooManyQuestions."""
        now = asyncio.get_running_loop().time()
        kept = self._kept.get(question)
        if kept is None or (kept.answer.done() and now >= kept.until):
            if self._at_work >= _MOST_AT_ONCE:
                raise TooManyQuestions
            answer = asyncio.create_task(self._find(question, find, seconds))
            answer.add_done_callback(note_failure)
            kept = self._kept[question] = _SharedAnswer(answer, now)
            self._kept.move_to_end(question)
            self._forget(now)
        return await asyncio.shield(kept.answer)

    async def close(self) -> None:
        """End what is being found."""
        tasks = [kept.answer for kept in self._kept.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, question: Hashable, find: Callable[[], Awaitable[Any]], seconds: float) -> Any:
        self._at_work += 1
        try:
            return await find()
        finally:
            self._at_work -= 1
            if question in self._kept:
                self._kept[question].until = asyncio.get_running_loop().time() + seconds

    def _forget(self, now: float) -> None:
        """Keep no answer that is too old, and not too many; one that is being found is kept by who finds it."""
        old = [question for question, kept in self._kept.items() if kept.answer.done() and now >= kept.until]
        for question in old:
            del self._kept[question]
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
