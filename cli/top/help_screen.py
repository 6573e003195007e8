"""The keys of a board."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

_KEYS = (
    ("↑ ↓ PgUp PgDn", "choose a row; Tab: the next part of the board"),
    ("Enter", "all about an entity: chart, rule, baseline, events"),
    ("/", "filter: kind: chain: entity: min: severity: reason:"),
    ("", "with globs, commas between several, and words to find"),
    ("Esc", "back; then no filter"),
    ("s  r", "sort by the next column, the other way round"),
    ("p", "pause: hold what is shown"),
    ("z", "zoom: all room for this part"),
    ("d", "light or dark"),
    ("q", "quit"),
    ("mouse", "a click on a head sorts, a double click opens"),
)
_COLUMNS = (
    ("15 min", "move over 15 minutes, as far as it was seen"),
    ("change", "of the last event; sev and conf are that event's"),
    ("bps", "distance from the peg, in hundredths of a percent"),
    ("lag", "events that a sink has not got, and the age of the oldest"),
)


class HelpScreen(ModalScreen[None]):
    """What keys do, and what columns mean."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1,enter", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        """A box in the middle."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        for key, meaning in (*_KEYS, ("", ""), *_COLUMNS):
            table.add_row(Text(key), Text(meaning))
        with VerticalScroll(id="keys"):
            yield Static(table)
