"""Which watches need a stream that keeps the order of all records of an entity.

DynamoDB and Lambda keep the order of the records of one item. In a history every sample is an item of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings.models import Settings


def needs_factor_one(settings: Settings, watch: str) -> bool:
    """Whether the event source mapping of this watch's table must have a parallelisation factor of 1."""
    return settings.watches[watch].is_history and not settings.dynamodb.tables[watch].reorder
