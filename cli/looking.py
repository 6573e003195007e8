"""Looking at something and showing it: once, or again and again until told to end."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from cli.output import out, print_json
from cli.reader import noting_the_reader
from cli.signals import noting_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions, RenderableType

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
    """Look once or, with `every_seconds`, until a signal comes; `on_request` then ends a look that waits.

    A live picture takes the whole terminal, and the last one stays there in the end.
    """

    def print_once() -> None:
        if as_json:
            print_json(as_document(look()))
        else:
            out.print(as_tables(look()))

    if every_seconds is None:
        print_once()
        return
    live = Live(console=out, auto_refresh=False, screen=True) if out.is_terminal and not as_json else None
    picture: RenderableType = ""
    with noting_signals(on_request) as stop_requested, noting_the_reader():
        with live or nullcontext():
            while not stop_requested.is_set():
                try:
                    if live:
                        picture = as_tables(look())
                        live.update(_Page(picture), refresh=True)
                    else:
                        print_once()
                except psycopg.OperationalError:
                    if not stop_requested.is_set():
                        raise
                stop_requested.wait(every_seconds)
        if live:
            out.print(picture)


class _Page:
    """As much of a picture as the terminal has lines for; that there is more is said."""

    def __init__(self, picture: RenderableType) -> None:
        self._picture = picture

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        lines = console.render_lines(self._picture, options.update(height=None), pad=False)
        if (hidden := len(lines) - console.height) > 0:
            more = Text(f"... and {hidden + 1} lines more, in a higher terminal", "dim", no_wrap=True)
            lines = [*lines[: console.height - 1], *console.render_lines(more, options.update(height=None))]
        yield from chain.from_iterable([*line, Segment.line()] for line in lines[:-1])
        yield from lines[-1]
