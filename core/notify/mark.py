"""Whether all `rtp notify` of a Redis are set alike: a mark of its settings is in the name that each has there."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.notify.outbox.outbox import TELLING
from core.redis_names import workers_key
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

    from core.settings.notify import Audience


def mark_of(audiences: Iterable[Audience]) -> str:
    """The same for the same settings, on whatever machine they lie; addresses, which are secret, are left out."""
    said = [
        one.model_dump(mode="json", exclude={"to", "template"})
        | {"destinations": sorted(one.destinations), "template": one.template and PurePath(one.template).name}
        for one in audiences
    ]
    written = json.dumps(said, sort_keys=True).encode()
    return hashlib.blake2s(written, digest_size=4).hexdigest()


def count_others(client: redis.Redis, address: str, mark: str) -> int:
    """How many processes that tell now have another mark. Raises SinkUnavailable."""
    with redis_errors(address, SinkUnavailable):
        tokens: Any = client.zrangebyscore(workers_key(TELLING), time.time() * 1000, "+inf")
    marks = [token.decode().split("-")[2:] for token in tokens]
    return sum(one not in ([], [mark]) for one in marks)
