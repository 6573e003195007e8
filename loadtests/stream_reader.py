"""A reader of Redis's stream of events, in a process of its own.

Pub/sub promises nothing to a subscriber that stumbles; the stream keeps what was published. What both miss, rtp lost.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.keys import STREAM
from loadtests.child import Orders
from loadtests.ledger import Ledger
from loadtests.receipt import find_mark, second_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BEGINNING = "0-0"
_PAGE = 1000
_PAUSE_SECONDS = 0.5  # nobody waits for it: long enough to cost little


def main() -> None:
    """Note where the stream ends, say so, and read on from there until told to stop."""
    orders, ledger = Orders(), Ledger()
    url = orders.plan.settings.redis.url
    assert url is not None
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), decode_responses=True) as client:
        newest: Any = client.xrevrange(STREAM, count=1)
        position = newest[0][0] if newest else _BEGINNING
        start_time, is_last = orders.wait_for_start(), False
        while not is_last:
            is_last = orders.stopping.wait(_PAUSE_SECONDS)
            try:
                for entry, fields in _after(client, position):
                    position = entry
                    _note(ledger, fields, start_time)
            except redis.RedisError as error:  # the next look goes on where this one ended
                orders.say({"incident": f"the load test's reader of the stream lost its connection: {error}"})
    orders.say({"receiver": "stream", "ledger": ledger.encoded()})


def _after(client: redis.Redis, position: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    while True:
        page: Any = client.xrange(STREAM, min=f"({position}", count=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        position = page[-1][0]


def _note(ledger: Ledger, fields: Mapping[str, str], start_time: float) -> None:
    data = json.loads(fields["event"])["data"]
    if (mark := find_mark(data)) is not None and second_of(mark, start_time) >= 0:
        ledger.note(data["entity"], mark.number)


if __name__ == "__main__":
    main()
