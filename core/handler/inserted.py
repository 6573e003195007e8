"""An item of a table, as the record that its insertion would have been: what holds of records holds of it, too."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from rtp_client.attribute_json import as_in_stream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from core.handler.change import Change
    from core.handler.description import DescribedTable
    from core.handler.images import WatchedTable


def changes_of_item(
    watched: WatchedTable, described: DescribedTable, item: Mapping[str, Any], at: datetime
) -> list[Change]:
    """What the watch would make of it; nothing where the item is none of the watch's. Raises EventRejected."""
    return watched.changes(inserted(described, item, at), -1, Counter())


def inserted(described: DescribedTable, item: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The record. It has a number of its own that no stream gives, made of what the item holds."""
    whole: Any = as_in_stream(item)
    digest = hashlib.blake2s(json.dumps(whole, sort_keys=True).encode(), digest_size=15).digest()
    keys = {name: whole[name] for name in described.keys if name in whole}
    return {
        "eventID": "item",
        "eventName": "INSERT",
        "eventSourceARN": described.stream_arn or f"arn:aws:dynamodb:::table/{described.name}/stream/none",
        "dynamodb": {
            "Keys": keys,
            "NewImage": whole,
            "SequenceNumber": str(int.from_bytes(digest)),
            "ApproximateCreationDateTime": at.timestamp(),
        },
    }
