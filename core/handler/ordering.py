"""The order of an entity's samples, where a stream does not keep it.

DynamoDB and Lambda keep the order of the records of one item. In a history every sample is an item of its own: at a
parallelisation factor above 1 its samples are handed over in any order. With `reorder` each of them waits so long after
it was handed over, and is judged in time order with the others that wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from core.handler.change import RecordPlace
    from core.handler.memory import WaitingSample
    from core.settings.models import Settings


def needs_factor_one(settings: Settings, watch: str) -> bool:
    """Whether the event source mapping of this watch's table must have a parallelisation factor of 1."""
    return settings.watches[watch].is_history and not settings.dynamodb.tables[watch].reorder


def waits_of(settings: Settings) -> Mapping[str, timedelta]:
    """How long the samples of each watch wait, of those that do."""
    return {name: table.reorder for name, table in settings.dynamodb.tables.items() if table.reorder}


def release(waiting: Sequence[WaitingSample], now: datetime) -> tuple[Sequence[WaitingSample], Sequence[WaitingSample]]:
    """The samples that are to be judged now, in order, and those that wait on.

    Who is judged takes all that are earlier along: behind it they would be late.
    """
    due = [one.sample.at for one in waiting if one.due_at <= now]
    if not due:
        return (), waiting
    ordered = sorted(waiting, key=lambda one: (one.sample.at, one.sequence_number))
    newest = max(due)
    return [one for one in ordered if one.sample.at <= newest], [one for one in ordered if one.sample.at > newest]


def is_out_of_order(lanes: Mapping[str, int], position: RecordPlace) -> bool:
    """Whether a sample's record comes behind later ones of the stream, and was certainly not judged before.

    Of a record that is older than all that are remembered this cannot be told: it may have come before.
    """
    numbers = lanes.values()
    return position.lane not in lanes and bool(lanes) and min(numbers) < position.sequence_number < max(numbers)
