"""What Redis has of all destinations together: who is known, how each stands, what could never be told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import SinkUnavailable
from core.notify.acknowledgement.acknowledgements import Acknowledgements
from core.notify.outbox.outbox import TELLING, Outbox
from core.redis_names import NOTIFY_DEAD, NOTIFY_DESTINATIONS, workers_key
from rtp_client.redis import redis_errors

if TYPE_CHECKING:
    from collections.abc import Collection

    import redis

    from core.notify.outbox.standing import Standing


@dataclass(frozen=True)
class Overview:
    """As of one moment, Unix time; 0: nobody has looked yet. `processes` are the `rtp notify` that share the work.

    `unacknowledged` alerts are waited for now; `escalated` ones others were ever told for want of that.
    """

    at: float = 0.0
    processes: int = 0
    dead_letters: int = 0
    unacknowledged: int = 0
    escalated: int = 0
    standings: Mapping[str, Standing] = field(default_factory=dict)


def look_over(client: redis.Redis, address: str, destinations: Collection[str]) -> Overview:
    """Look at these destinations, then at those that somebody has told of before. Raises SinkUnavailable."""
    now = time.time()
    with redis_errors(address, SinkUnavailable):
        known: Any = client.smembers(NOTIFY_DESTINATIONS)
        processes: Any = client.zcount(workers_key(TELLING), now * 1000, "+inf")
        dead: Any = client.xlen(NOTIFY_DEAD)
    others = sorted({name.decode() for name in known} - set(destinations))
    standings = Outbox(client, address).standings([*destinations, *others])
    return Overview(now, processes, dead, *Acknowledgements(client, address).counts(), standings)
