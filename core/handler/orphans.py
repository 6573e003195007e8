"""Alerts of a queue that the settings name no more: nobody will send them, so they become dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.letters.stream_letters import StreamLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from core.handler.alert_store import AlertStore

_KEYS_AT_ONCE = 100
_OF_EACH = 100


def bury_orphans(
    store: AlertStore, named: Collection[str], bury: Callable[[StreamLetter], None], *, before: datetime
) -> int:
    """Bury some of what has waited since `before` for queues that are not among these. Returns how many alerts.

    Raises SinkUnavailable without Redis.
    """
    buried = 0
    for queue in (one.queue for one in store.pending() if one.queue not in named):
        keys = store.waiting(queue, before, most=_KEYS_AT_ONCE)
        for key, events in store.oldest(queue, keys, of_each=_OF_EACH).items():
            for event in events:
                reason = f"it waited for queue {queue}, which the settings name no more"
                bury(StreamLetter(reason, event=event.json_bytes.decode()))
            store.acknowledge(queue, {key: events[-1].sequence})
            buried += len(events)
    return buried
