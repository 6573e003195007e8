"""Events that wait to be sent, a queue per group; a group is the events of one partition key."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rtp_client.event import Event


@dataclass(frozen=True)
class BatchForm:
    """How large a batch may be.

    More than one event of a group only where the service takes or refuses a batch as a whole: else it could take the
    second without the first, and nothing sent can be taken back.
    """

    most_events: int
    most_of_a_group: int
    most_bytes: int
    size_of: Callable[[Event], int]


class GroupQueues:
    """What may go next, and what has to wait: of a group that is under way nothing more goes until it is released."""

    def __init__(self, form: BatchForm) -> None:
        self._form = form
        self._waiting: dict[str, deque[Event]] = {}  # with the groups that are under way, be there more of them or not
        self._ready: deque[str] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, events: Sequence[Event]) -> None:
        """Put events behind those of their groups."""
        for event in events:
            if (queue := self._waiting.get(event.partitionkey)) is not None:
                queue.append(event)
            else:
                self._waiting[event.partitionkey] = deque((event,))
                self._ready.append(event.partitionkey)
        self._count += len(events)

    def take_batch(self) -> list[Event]:
        """The first events of the groups that have waited longest; these groups are under way then."""
        batch: list[Event] = []
        room = self._form.most_bytes
        while self._ready and len(batch) < self._form.most_events:
            queue, first = self._waiting[self._ready[0]], len(batch)
            while queue and len(batch) < min(first + self._form.most_of_a_group, self._form.most_events):
                size = self._form.size_of(queue[0])
                if batch and size > room:
                    break
                batch.append(queue.popleft())
                room -= size
            if len(batch) == first:
                break
            self._ready.popleft()
        self._count -= len(batch)
        return batch

    def release(self, keys: Iterable[str]) -> None:
        """Note that these groups' events are in: the next ones may go."""
        for key in keys:
            if self._waiting.get(key):
                self._ready.append(key)
            else:
                self._waiting.pop(key, None)

    def put_back(self, batch: Sequence[Event]) -> None:
        """Note that nothing of a batch is in: it goes next, as it was."""
        for event in reversed(batch):
            self._waiting[event.partitionkey].appendleft(event)
        self._ready.extendleft(reversed(dict.fromkeys(event.partitionkey for event in batch)))
        self._count += len(batch)

    def take_behind(self, keys: Iterable[str]) -> list[Event]:
        """All that waits behind what was under way, of these groups."""
        behind = [event for key in keys for event in self._waiting.pop(key, ())]
        self._count -= len(behind)
        return behind

    def take_all(self) -> list[Event]:
        """All that waits."""
        self._ready.clear()
        return self.take_behind(list(self._waiting))

    def are_fewer_than(self, most: int) -> bool:
        """Whether so many groups have nothing waiting, not counting what is under way."""
        return len(list(islice(filter(None, self._waiting.values()), most))) < most
