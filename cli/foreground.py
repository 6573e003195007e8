"""Running a pipeline in the foreground, and the ways in which it can end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import typer

from cli.logs import LOG, report, say, write_line
from cli.promptness import be_prompt
from cli.summary import print_summary
from core.monitor.monitoring import Monitoring
from core.processor.status import StatusReporter

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client.registry import Collector

    from cli.ending import Ending
    from cli.live_status import View
    from core.processor.pipeline import Pipeline
    from core.settings.models import Settings
    from core.trouble import Trouble

IDLE_SECONDS = 1.0
STUCK_SECONDS = 60.0
"""With --until-idle: for so long something may be in the way, and nothing be done, before it makes no sense to wait."""
_TICK_SECONDS = 0.1


def run_pipeline(
    pipeline: Pipeline,
    settings: Settings,
    view: View,
    ending: Ending,
    stop_requested: threading.Event,
    *,
    is_fed: Callable[[], bool] = lambda: True,
    check: Callable[[], None] = lambda: None,
    hint: str = "",
    beside: Sequence[Collector] = (),
) -> None:
    """Run until the ending, a request to stop, or an error that retrying cannot mend (raised).

    Exit code 1 where the ending was asked for and cannot be had: a service was never reached, or something stays in the
    way of being idle.

    `hint` is for whoever has started it, below what it says of itself. `is_fed` says when nothing more will come to be
    delivered; `check` raises where it makes no sense to go on. `beside` has metrics of what else runs
    here.
    """
    be_prompt()
    reporter = StatusReporter(pipeline)
    monitoring = Monitoring(settings, pipeline, on_problem=report, write=write_line, beside=beside)
    try:
        with view.open():
            print_summary(pipeline, settings, monitoring.url)
            if hint:
                say(hint)
            pipeline.start()
            monitoring.start()
            interval_seconds = settings.run.status_interval_seconds
            in_the_way = _watch(pipeline, reporter, view, ending, stop_requested, is_fed, check, interval_seconds)
            never_reached = pipeline.never_reached()
        if stop_requested.is_set():
            say("Finishing the batch in hand ...")
    finally:
        ended = pipeline.stop()
        monitoring.stop()
    view.show(reporter.take(), is_interval_over=True)
    if not ended:
        LOG.warning("A sink did not finish in time; what it had in hand is delivered again at the next start.")
    if pipeline.failure is not None:
        raise pipeline.failure
    delivered = {d.sink.name: d.metrics.delivered for d in pipeline.deliveries}
    counts = ", ".join(f"{sink} {count:,}" for sink, count in delivered.items())
    LOG.info("Stopped. Delivered: %s.", counts, extra={"facts": {"delivered": delivered}})
    if in_the_way:
        end_stuck(in_the_way, "What waits stays in the log")
    if ending.is_given and never_reached:
        end_unreached(never_reached)


def end_unreached(troubles: Iterable[Trouble]) -> NoReturn:
    """What was to be done until the ending could not even begin: say so, and exit with 1."""
    LOG.error("Never reached from the start to the end: %s.", ", ".join(f"{t.service} ({t.part})" for t in troubles))
    raise typer.Exit(1)


def end_stuck(troubles: Iterable[Trouble], place: str) -> NoReturn:
    """What waits cannot be delivered, and somebody waits for the end; `place` says where it stays."""
    causes = "; ".join(f"{trouble.part}: {trouble.cause}" for trouble in troubles)
    LOG.error("Gave up after %g s in which nothing was delivered. In the way: %s.", STUCK_SECONDS, causes)
    LOG.error("%s, and is delivered by the next run.", place)
    raise typer.Exit(1)


class _Patience:
    """How long nothing has been done while something was in the way."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._done = 0
        self._moved_at = time.monotonic()

    def exhausted_by(self) -> list[Trouble]:
        """What is in the way for too long now; nothing where there is hope."""
        done, in_the_way = self._pipeline.work_done, self._pipeline.in_the_way()
        if done != self._done or not in_the_way:
            self._done, self._moved_at = done, time.monotonic()
        return in_the_way if time.monotonic() - self._moved_at >= STUCK_SECONDS else []


def _watch(
    pipeline: Pipeline,
    reporter: StatusReporter,
    view: View,
    ending: Ending,
    stop_requested: threading.Event,
    is_fed: Callable[[], bool],
    check: Callable[[], None],
    interval_seconds: float,
) -> list[Trouble]:
    """Until the ending. Returns what was in the way of being idle, where that has lasted for too long."""
    started = shown = time.monotonic()
    patience = _Patience(pipeline)
    while pipeline.failure is None and not stop_requested.wait(_TICK_SECONDS):
        check()
        now = time.monotonic()
        if now - shown >= interval_seconds:
            shown = now
            view.show(reporter.take(), is_interval_over=True)
        if ending.after_seconds is not None and now - started >= ending.after_seconds:
            break
        if ending.when_idle and is_fed() and pipeline.idle_seconds() >= IDLE_SECONDS:
            break
        if ending.when_idle and (in_the_way := patience.exhausted_by()):
            return in_the_way
    return []
