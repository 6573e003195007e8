"""How long the samples of one watch wait while very many of another one are judged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from loadtests.benchmarks.judging.watched_history import QUERIES
from loadtests.benchmarks.percentiles import percentiles_ms
from loadtests.benchmarks.pgbench import finish

if TYPE_CHECKING:
    from loadtests.benchmarks.judging.watched_history import WatchedHistory

_RATE = 100
_SECONDS = 10
_WARM_UP_SECONDS = 2


def neighbours_latency(history: WatchedHistory, samples: int) -> dict[str, float]:
    """From the commit of a neighbour's sample to that of its event, while so many come in one statement."""
    history.judge_all()
    with history.rtp() as (_, judged):
        writing = history.start_appending("to_neighbour", _RATE, _SECONDS)
        time.sleep(_WARM_UP_SECONDS)
        before = judged.now()
        history.append("quiet", samples)
        started = time.time()
        judged.wait_for(before + samples)
        ended = time.time()
        finish(writing)
        judged.wait_for(before + samples + 1)
    commits = history.demo.connection.execute(QUERIES["commits"], {"after_id": 0, "chain": "neighbour"}).fetchall()
    waits = [judged_at - sampled_at for _, sampled_at, judged_at in commits if started <= sampled_at <= ended]
    return {"neighbours": len(waits), **percentiles_ms("neighbour_to_event_", waits)}
