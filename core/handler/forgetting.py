"""Dropping what a stream source remembers of an entity in Redis. Works beside the handler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import RunningError
from core.handler.baselines import BaselineMove
from core.redis_names import baseline_key, baseline_owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from core.handler.baselines import Baselines

_MOST_CONFLICTS = 20


@dataclass(frozen=True)
class RememberedItem:
    """An entity of a watch that a DynamoDB table feeds, with its baseline and its newest sample's time."""

    watch: str
    chain: str
    entity: str
    value: Decimal | None
    sampled_at: datetime
    is_quarantined: bool


def read_items(baselines: Baselines, watch: str, entity: str, chain: str | None) -> Iterator[RememberedItem]:
    """What is remembered of the entity, on one chain or on all. Raises SinkUnavailable."""
    keys = baselines.keys_of(watch, entity) if chain is None else [baseline_key(watch, chain, entity)]
    for key, memory in zip(keys, baselines.load(keys), strict=True):
        state = memory.state
        if state is not None:
            yield RememberedItem(*baseline_owner(key), state.value, state.sample_at, state.suspect_since is not None)


def forget_item(baselines: Baselines, item: RememberedItem) -> None:
    """Drop it. What SQS has not got so far, and which records are judged, stays known. Raises SinkUnavailable.

    Raises RunningError where the handler moves it again and again.
    """
    key = baseline_key(item.watch, item.chain, item.entity)
    for _ in range(_MOST_CONFLICTS):
        (memory,) = baselines.load([key])
        gone = replace(memory, version=memory.version + 1, state=None, waiting=())
        if baselines.commit([BaselineMove(key, memory, gone)], at=datetime.now(UTC)) == [True]:
            return
    who = f"{item.chain}/{item.entity}"
    raise RunningError(f"{who} kept being moved by the handler, and was not forgotten", "Try again")
