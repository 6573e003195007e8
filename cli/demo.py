"""`rtp run --demo`: the embedded stack, demo tables, a feed, the triggers and the processor, in one process."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cli.demo_notifications import NOTIFICATIONS, catching, page_of
from cli.demo_view import DemoJson, DemoLines
from cli.ending import Ending
from cli.foreground import run_pipeline
from cli.gateway import serving
from cli.logs import report, say
from cli.notify.beside import notifying
from cli.running_demo import served_by, use_aws_account_of
from cli.top.terminal import can_show_board
from core.demo.feed import Feed
from core.demo.market import Market
from core.demo.notifications import with_demo_notify
from core.demo.pace import at_rate, by_history, parse_speed
from core.demo.replay import FeedFile
from core.demo.tables import create_tables, seed_tables
from core.errors import Cancelled, SettingsError
from core.processor.build import build_pipeline
from core.services.postgres import connect
from core.sinks.settings import load_settings
from core.stack import EmbeddedStack
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from cli.demo_options import DemoOptions
    from cli.demo_view import DemoView
    from cli.notify.beside import Notifying
    from core.demo.catcher import Catcher
    from core.settings.models import Settings


def run_demo(options: DemoOptions, ending: Ending, stop_requested: threading.Event, *, as_json: bool) -> None:
    """Start everything, run, and leave nothing behind; a request to stop is looked at between the steps."""
    if ending.when_idle and options.feed is None:
        raise SettingsError(
            "the simulated market never ends, so there is nothing to be idle after", "Give --feed FILE, or --for 30s"
        )
    # What can be wrong with the options is found out before a server starts.
    history = FeedFile.open(options.feed) if options.feed else None
    pace = by_history(parse_speed(options.speed)) if history else at_rate(options.rate)
    settings = load_settings(
        options.config, environ={}, options={"http.listen": options.http, "serve.listen": options.listen}
    )
    market = Market(options.seed)
    steps = history.steps() if history else market.steps()
    with ExitStack() as exits:
        stack = EmbeddedStack()
        exits.callback(stack.stop)
        try:
            stack.start(say, stop_requested)
        except Cancelled:
            return
        use_aws_account_of(stack.addresses)
        settings = served_by(stack.addresses, settings)
        _prepare_database(settings, market if history is None else None)
        if stop_requested.is_set():
            return
        catcher = exits.enter_context(catching()) if options.notifies else None
        pages = [page_of(catcher)] if catcher and options.serves else []
        page = exits.enter_context(serving(settings, anywhere=True, more_routes=pages)).url if options.serves else None
        view = exits.enter_context(_view(options, settings, page, as_json=as_json))
        told = exits.enter_context(_telling(settings, catcher, view, page)) if catcher else None
        feed = Feed(partial(connect, stack.addresses.postgres_dsn, role="demo feed"), steps, pace)
        exits.callback(feed.stop)
        say(_says_where_data_comes_from(options))
        say(f"This stack is {stack.name}: where several run, `rtp status --stack {stack.name}` looks at it.")
        pipeline = build_pipeline(settings, on_problem=report)
        feed.start()

        def is_over() -> bool:
            # A feed that failed ends the demo, too: nobody would learn of it otherwise.
            is_last_word = ending.when_idle or feed.error is not None
            is_fed = is_last_word and feed.finished.is_set() and view.has_caught_up(pipeline)
            return is_fed and (told is None or told.is_idle())

        any_ending = replace(ending, when_idle=True)
        run = partial(run_pipeline, is_fed=is_over, check=stack.check)
        view.run(partial(run, pipeline, settings, view, any_ending, stop_requested))
        if feed.error is not None:
            raise feed.error


def _view(options: DemoOptions, settings: Settings, page: str | None, *, as_json: bool) -> DemoView:
    """The board, where there is a terminal for it and Textual to draw it; else lines."""
    if as_json:
        return DemoJson(settings)
    if options.is_plain or not can_show_board():
        return DemoLines(settings)
    from cli.top.demo import DemoBoard  # noqa: PLC0415 - Textual is an extra

    return DemoBoard(settings, page)


@contextmanager
def _telling(settings: Settings, catcher: Catcher, view: DemoView, page: str | None) -> Iterator[Notifying]:
    """Within, people are told by what the catcher shows."""
    catcher.on_caught = view.show_notification
    where = f", and are at {page}{NOTIFICATIONS}" if page else ""
    say(f"Notifications stay on this machine{where}.")
    with notifying(with_demo_notify(settings, catcher.address), source="stream") as told:
        yield told


def _prepare_database(settings: Settings, market: Market | None) -> None:
    """Demo tables with the market's opening, then the triggers: what is there already is no event."""
    with connect(settings.postgres.dsn or "", role="demo") as connection:
        create_tables(connection)
        if market is not None:
            seed_tables(connection, market)
        apply(connection, plan_installation(connection, settings))


def _says_where_data_comes_from(options: DemoOptions) -> str:
    if options.feed is not None:
        return f"Replaying {options.feed.name} at {options.speed}."
    return f"The market is simulated (seed {options.seed}): real names, made-up numbers."
