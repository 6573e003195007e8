"""What `rtp run` does without --demo: apart from its options, as all that it imports is slow to load."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Literal

from cli.foreground import run_pipeline
from cli.gateway import serving
from cli.live_status import LineView
from cli.logs import report, write_line
from cli.notify.beside import notifying
from cli.streams import run_streams
from core.handler.build import build_poller
from core.processor.build import build_pipeline
from triggers.rearming import rearm

if TYPE_CHECKING:
    import threading

    from cli.ending import Ending
    from core.settings.models import Settings


def process(
    settings: Settings,
    source: Literal["postgres", "dynamodb"],
    ending: Ending,
    stop_requested: threading.Event,
    *,
    serves: bool,
    notifies: bool,
    as_json: bool,
    next_command: str,
) -> None:
    """Deliver what the source tells until the ending, or a request to stop; serve it and tell of it beside that."""
    with ExitStack() as exits:
        if serves:
            exits.enter_context(serving(settings))
        beside = exits.enter_context(notifying(settings)) if notifies else None
        metrics = [beside.metrics] if beside else []
        if source == "dynamodb":
            poller = build_poller(settings, on_problem=report, write=write_line)
            run_streams(poller, settings, ending, stop_requested, beside=metrics)
            return
        view = LineView(as_json=as_json)
        pipeline = build_pipeline(settings, on_problem=report, rearm=partial(rearm, settings))
        hint = f"Next, in another terminal: {next_command}"
        are_told = beside.is_idle if beside else _at_once
        run_pipeline(pipeline, settings, view, ending, stop_requested, is_fed=are_told, hint=hint, beside=metrics)


def _at_once() -> bool:
    return True
