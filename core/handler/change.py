"""What one stream record says about one entity of one watch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.detection.aside import is_ahead, is_rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.detection.aside import WhyAside
    from core.detection.detector import Key
    from core.detection.state import Sample
    from core.settings.rules import Rule
    from core.settings.watches import ValueWatch
    from rtp_client.event import DeletedBy, Reason


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a change stands in its stream.

    Records of one item (`lane`) have rising sequence numbers, also across shards; two items' cannot be compared.
    """

    lane: str
    sequence_number: int


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to judge.

    `record` is the record's place in the batch. `before` is the item's earlier value, for an entity without a baseline;
    `had_before` says that the entity had an earlier item, though it may be one that cannot be read.
    Only metadata has `reason` and `fields`, and `row`: all watched attributes, unless the item is gone. `item` is the
    key of the record's item. A `tick` has no position, as no record caused it. `deletedby` says that
    DynamoDB itself deleted the item, as its time to live had passed.
    `former` is what the entity was called until this change.
    `of_version` is the baseline's version that a change was found out beside; once that has moved, it is passed over.
    """

    watch: str
    key: Key
    what: Literal["sample", "deleted", "tick", "metadata"]
    event_id: str
    sample: Sample
    record: int = -1
    position: RecordPlace | None = None
    before: Sample | None = None
    had_before: bool = False
    reason: Reason | None = None
    fields: Mapping[str, Any] | None = None
    row: Mapping[str, Any] | None = None
    item: Mapping[str, Any] | None = None
    deletedby: DeletedBy | None = None
    former: Key | None = None
    of_version: int | None = None


def why_aside(sample: Sample, watch: ValueWatch, rule: Rule) -> WhyAside | None:
    """Why an item's sample moves nothing, where it does not; see `core.detection.aside`."""
    own_time, arrived_at = sample.testimony.changed_at or sample.at, sample.seen_at or sample.at
    if is_ahead(own_time, arrived_at, watch.future_limit):
        return "future"
    return "rejected" if is_rejected(sample.value, rule) else None
