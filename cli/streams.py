"""`rtp run --source dynamodb`: streams in the foreground, until stopped, idle, or out of time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from cli import foreground
from cli.foreground import end_stuck, end_unreached
from cli.logs import report, say
from cli.output import print_json
from core.errors import ServiceUnavailable
from core.handler.views import refuse_other_views
from core.monitor.stream_monitor import StreamMonitor
from core.services.circuit import CircuitBreaker
from core.services.recovery import Recovery
from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.registry import Collector

    from cli.ending import Ending
    from core.handler.poller import StreamPoller
    from core.settings.models import Settings
    from core.trouble import Trouble, Troubles

_IDLE_SECONDS = 1.0
_TICK_SECONDS = 1.0


def run_streams(
    poller: StreamPoller,
    settings: Settings,
    ending: Ending,
    stop_requested: threading.Event,
    *,
    beside: Sequence[Collector] = (),
) -> None:
    """Poll and process; one JSON line of counts per status interval and one at the end."""
    _refuse_other_views(settings, poller)
    for name, table in settings.dynamodb.tables.items():
        say(f"watch {name}: DynamoDB table {table.table}")
    recovery = _recovery(settings, poller.troubles)
    monitor = StreamMonitor(settings, poller, recovery.circuit, beside=beside)
    if monitor.url:
        say(f"HTTP {monitor.url}/metrics, /healthz, /readyz")
    monitor.start()
    try:
        with _set_after(ending.after_seconds, stop_requested):
            in_the_way = _loop(poller, settings, ending, stop_requested, recovery, monitor)
    finally:
        monitor.stop()
    poller.tally.end()
    print_json(_counts(poller))
    if in_the_way:
        end_stuck(in_the_way, "What waits stays in Redis and the streams")
    found = poller.troubles.current()
    unreached = [one for one in found if not recovery.has_worked or one.part in poller.never_read]
    if ending.is_given and unreached:
        end_unreached(unreached)


def _refuse_other_views(settings: Settings, poller: StreamPoller) -> None:
    """The poller tells of what is missing or does not answer; a stream without both images will never do."""
    with suppress(ServiceUnavailable):
        list(refuse_other_views(settings, poller.dynamodb))


def _recovery(settings: Settings, troubles: Troubles) -> Recovery:
    own = settings.run
    circuit = CircuitBreaker("The streams' source", own.circuit_breaker, on_problem=report)
    backoff = Backoff(own.retry_initial_seconds, own.retry_max_seconds)
    return Recovery(circuit, backoff, part="streams", troubles=troubles)


def _loop(
    poller: StreamPoller,
    settings: Settings,
    ending: Ending,
    stop_requested: threading.Event,
    recovery: Recovery,
    monitor: StreamMonitor,
) -> Sequence[Trouble]:
    """Until the ending. Returns what was in the way of being idle, where that has lasted for too long."""
    shown = busy = moved = time.monotonic()
    ticked, left = 0.0, poller.left
    while recovery.wait_for_turn(stop_requested):
        now = time.monotonic()
        try:
            if now - ticked >= _TICK_SECONDS:
                poller.tick()
                ticked = now
            found = poller.poll()
        except ServiceUnavailable as error:
            found, busy = 0, time.monotonic()
            recovery.failed(error)
            recovery.pause(stop_requested)
        else:
            recovery.succeeded()
            monitor.turned()
            if found:
                busy = time.monotonic()
            elif ending.when_idle and now - busy >= _IDLE_SECONDS and not poller.is_waiting and not any(poller.left):
                return ()
            else:
                stop_requested.wait(settings.dynamodb.poll_interval_ms / 1000)
        if found or poller.left != left:
            moved, left = now, poller.left
        if ending.when_idle and now - moved >= foreground.STUCK_SECONDS:
            return poller.troubles.current()
        if now - shown >= settings.run.status_interval_seconds:
            shown = now
            print_json(_counts(poller))
    return ()


@contextmanager
def _set_after(seconds: float | None, event: threading.Event) -> Iterator[None]:
    """Within, set the event after so long; None: never."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, event.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _counts(poller: StreamPoller) -> dict[str, int]:
    aside = Counter[str]()
    for (_, why), items in poller.tally.set_aside.items():
        aside[why] += items
    counts = {"records": poller.tally.records, "events": poller.tally.events, "dead_letters": poller.tally.dead_letters}
    counts |= {why: aside[why] for why in ("future", "late", "rejected", "out_of_order")}
    return counts | {"pending_alerts": poller.tally.pending_alerts}
