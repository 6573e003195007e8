"""Telling people in the foreground, until stopped, idle, or out of time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from cli.foreground import IDLE_SECONDS, STUCK_SECONDS, end_unreached
from cli.logs import LOG, say, warn, write_line
from cli.notify.extra import make_notifier
from cli.notify.found_there import warn_of_what_is_there
from cli.notify.message_lines import MessageLines
from cli.promptness import be_prompt
from core.errors import SettingsError, SinkUnavailable
from core.monitor.notify_monitor import NotifyMonitor
from core.problem import counted

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from cli.ending import Ending
    from core.notify.intakes.source import From
    from core.notify.notifier import Notifier
    from core.notify.outcome import MessageOutcome
    from core.settings.models import Settings

_TICK_SECONDS = 0.1


def tell(
    settings: Settings,
    source: From | None,
    queues: Sequence[str],
    ending: Ending,
    stop_requested: threading.Event,
    *,
    as_json: bool,
) -> None:
    """Tell people until the ending, or a request to stop. Raises SettingsError where the settings name nobody."""
    if not settings.notify:
        raise SettingsError(
            "the settings name nobody who is to be told",
            "Say under notify: who, where and of what, as in configs/default.yaml",
        )
    lines = MessageLines(settings.all_kinds, as_json=as_json)
    monitor = NotifyMonitor(settings, is_alone=True, write=write_line)

    def on_outcome(outcome: MessageOutcome) -> None:
        monitor.observe(outcome)
        lines.show(outcome)

    notifier = make_notifier(settings, source, queues, on_outcome=on_outcome)
    _run(notifier, monitor, lines, ending, stop_requested)


def _run(
    notifier: Notifier, monitor: NotifyMonitor, lines: MessageLines, ending: Ending, stop_requested: threading.Event
) -> None:
    be_prompt()
    say(f"Telling {', '.join(notifier.tellers)} of alerts from {notifier.place}")
    if monitor.url:
        say(f"HTTP {monitor.url}/metrics, /healthz, /readyz")
    warn_of_what_is_there(notifier)
    notifier.start()
    monitor.start(notifier)
    try:
        in_the_way = _watch(notifier, lines, ending, stop_requested)
        never_reached = notifier.never_reached()
        if stop_requested.is_set():
            say("Finishing the messages under way ...")
    finally:
        has_ended = notifier.stop()
        monitor.stop()
    if not has_ended:
        warn("A message was under way when rtp ended: it is told again by the next rtp notify.")
    facts = {word.replace(" ", "_"): count for word, count in sorted(lines.counts.items())}
    told = counted(lines.counts["told"], "alert")
    messages = counted(lines.counts["told messages"], "message")
    LOG.info("Stopped. Told %s in %s.", told, messages, extra={"facts": facts})
    if in_the_way:
        LOG.error("Gave up after %g s in which nothing was told. In the way: %s.", STUCK_SECONDS, in_the_way)
        LOG.error("What waits stays in Redis, and is told by the next rtp notify.")
        raise typer.Exit(1)
    if ending.is_given and never_reached:
        end_unreached(never_reached)


def _watch(notifier: Notifier, lines: MessageLines, ending: Ending, stop_requested: threading.Event) -> str:
    """Until the ending. Returns what was in the way of being idle, where that has lasted for too long."""
    started = moved = time.monotonic()
    done = None
    while not stop_requested.wait(_TICK_SECONDS):
        now = time.monotonic()
        if ending.after_seconds is not None and now - started >= ending.after_seconds:
            break
        if not ending.when_idle:
            continue
        if (counts := (notifier.taken, lines.done)) != done:
            done, moved = counts, now
        try:
            if notifier.is_idle(IDLE_SECONDS):
                break
        except SinkUnavailable:
            pass
        if now - moved >= STUCK_SECONDS:
            return "; ".join(notifier.hindrances()) or "another process has the destinations"
    return ""
