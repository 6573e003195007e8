"""A message about several entities that a service refuses for good: which of them it refuses.

One name that a service cannot bear must not keep from people what happens to others. So the message is told in halves,
and the half that is refused in halves again, until both are refused. An entity's alerts stay together, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.notify.answer import Declined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Answer


def told_in_halves(
    alerts: Sequence[Alert], refusal: Declined, tell: Callable[[Sequence[Alert]], Answer | None]
) -> Iterator[tuple[Sequence[Alert], Answer]]:
    """The parts of a message that was refused, each as soon as it is clear what becomes of it.

    `tell` returns None where nothing more may be sent now: what is left is refused, as the message was.
    """
    suspects, answer = alerts, refusal
    while len(halves := _halves(suspects)) == 2:
        refused: list[tuple[Sequence[Alert], Declined]] = []
        for half in halves:
            said = tell(half)
            if said is None or isinstance(said, Declined):
                refused.append((half, said or answer))
            else:
                yield half, said
        if not refused:
            return
        if len(refused) == 2:
            break
        suspects, answer = refused[0]
    yield suspects, answer


def _halves(alerts: Sequence[Alert]) -> list[list[Alert]]:
    entities = list(dict.fromkeys(alert.event.partitionkey for alert in alerts))
    if len(entities) < 2:
        return [list(alerts)]
    first = set(entities[: len(entities) // 2])
    return [
        [alert for alert in alerts if (alert.event.partitionkey in first) is is_first] for is_first in (True, False)
    ]
