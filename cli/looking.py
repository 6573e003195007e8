"""Looking at something and showing it: once, or again and again until told to end."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from rich.live import Live

from cli.output import out, print_json
from cli.reader import noting_the_reader
from cli.signals import noting_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

_Seen = TypeVar("_Seen")


def show(
    look: Callable[[], _Seen],
    as_tables: Callable[[_Seen], RenderableType],
    as_document: Callable[[_Seen], Any],
    *,
    as_json: bool,
    every_seconds: float | None,
    on_request: Callable[[], object] = lambda: None,
) -> None:
    """Look once or, with `every_seconds`, until a signal comes; `on_request` then ends a look that waits."""

    def print_once() -> None:
        if as_json:
            print_json(as_document(look()))
        else:
            out.print(as_tables(look()))

    if every_seconds is None:
        print_once()
        return
    live = Live(console=out, auto_refresh=False) if out.is_terminal and not as_json else None
    with noting_signals(on_request) as stop_requested, noting_the_reader(), live or nullcontext():
        while not stop_requested.is_set():
            try:
                if live:
                    live.update(as_tables(look()), refresh=True)
                else:
                    print_once()
            except psycopg.OperationalError:
                if not stop_requested.is_set():
                    raise
            stop_requested.wait(every_seconds)
