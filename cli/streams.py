"""`rtp run --source dynamodb`: streams in the foreground, until stopped, idle, or out of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cli.logs import LOG, say
from cli.output import print_json
from core.errors import ServiceUnavailable
from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    import threading

    from cli.foreground import Ending
    from core.handler.poller import StreamPoller
    from core.settings.models import Settings

_IDLE_SECONDS = 1.0
_TICK_SECONDS = 1.0


def run_streams(poller: StreamPoller, settings: Settings, ending: Ending, stop_requested: threading.Event) -> None:
    """Poll and process; one JSON line of counts per status interval and one at the end."""
    for name, table in settings.dynamodb.tables.items():
        say(f"watch {name}: DynamoDB table {table.table}")
    _loop(poller, settings, ending, stop_requested)
    print_json(_counts(poller))


def _loop(poller: StreamPoller, settings: Settings, ending: Ending, stop_requested: threading.Event) -> None:
    backoff = Backoff(settings.run.retry_initial_seconds, settings.run.retry_max_seconds)
    started = shown = busy = time.monotonic()
    ticked = failures = 0.0
    pause = 0.0
    while not stop_requested.wait(pause):
        if ending.after_seconds is not None and time.monotonic() - started >= ending.after_seconds:
            return
        pause = settings.dynamodb.poll_interval_ms / 1000
        try:
            if time.monotonic() - ticked >= _TICK_SECONDS:
                poller.tick()
                ticked = time.monotonic()
            if poller.poll():
                pause, busy = 0.0, time.monotonic()
            failures = 0
        except ServiceUnavailable as error:
            failures += 1
            busy = time.monotonic()
            pause = backoff.wait_seconds(int(failures))
            if failures == 1:
                LOG.warning("trying again: %s", error)
        if ending.when_idle and time.monotonic() - busy >= _IDLE_SECONDS:
            return
        if time.monotonic() - shown >= settings.run.status_interval_seconds:
            shown = time.monotonic()
            print_json(_counts(poller))


def _counts(poller: StreamPoller) -> dict[str, int]:
    return {"records": poller.records, "events": poller.events, "dead_letters": poller.dead_letters}
