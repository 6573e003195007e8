"""The board: movers, pegs, events and rtp's sinks on one screen, drawn four times a second."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Footer, Input, Static

from cli.event_line import printable
from cli.top.columns import event_columns, mover_columns, peg_columns, sink_columns
from cli.top.driver import LastingDriver
from cli.top.entity_screen import EntityScreen
from cli.top.grid import Grid
from cli.top.help_screen import HelpScreen
from cli.top.market import EntityKey, SeenMarket, key_of
from cli.top.pegs import peg_rows
from cli.top.selection import BoardSelection, parse_selection
from cli.top.sinks import RtpState
from cli.top.sorting import FIRST_IS_LEAST, MOVER_ORDERS, PEG_ORDERS, sorted_movers, sorted_pegs
from cli.top.world import BoardWorld, Liveness, Notice
from rtp_client import Gap, RtpError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.screen import Screen


TURN_SECONDS = 0.25
_RATE_SECONDS = 10
_MOST_SAID = 50
_MOST_LISTED = 500
"""Of the events, so many of the newest that fit are listed."""
_WIDE = 138
_OF_THE_BOARD = frozenset({"filter", "sort", "reverse", "pause", "zoom", "leave"})
_EXAMPLE = "kind:price chain:eth* min:2 severity:warning reason:depeg usd"


class Board(App[None]):
    """Shows what it is given until somebody quits it, or it is over."""

    CSS_PATH = "board.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("question_mark,f1", "help", "Help", key_display="?"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "leave", "Back", show=False),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse", show=False),
        Binding("p,space", "pause", "Pause", key_display="p"),
        Binding("z", "zoom", "Zoom"),
        Binding("d", "dark", "Light/dark", show=False),
    ]

    def __init__(self, world: BoardWorld, selection: BoardSelection = BoardSelection()) -> None:  # noqa: B008  (it is frozen)
        super().__init__(driver_class=LastingDriver)
        self.market = SeenMarket()
        self.said: deque[str] = deque(maxlen=_MOST_SAID)
        self.failure: RtpError | None = None
        """Why there can be no more events."""
        self._world = world
        self._selection = selection
        self._filter_fault = ""
        self._state = RtpState()
        self._orders = {"movers": (MOVER_ORDERS[0], False), "pegs": (PEG_ORDERS[0], False)}
        self._is_paused = False
        self._is_live = True
        self._taken_when_paused = 0
        self._rates: deque[tuple[float, int]] = deque()

    def compose(self) -> ComposeResult:
        """The grids between a line of state and a line of keys."""
        kinds, clock = self._world.kinds, self._world.clock
        yield Static(id="head")
        with Container(id="body"):
            yield Grid("Movers", mover_columns(kinds, clock), lambda mover: mover.key, id="movers")
            yield Grid("Pegs", peg_columns(kinds, clock), lambda peg: peg.key, id="pegs")
            yield Grid("Sinks", sink_columns(), lambda sink: sink.sink, id="sinks")
            yield Grid("Events", event_columns(kinds), lambda event: event.id, id="events")
        yield Input(id="line", compact=True, placeholder=_EXAMPLE)
        yield Static(id="notice")
        yield Footer()

    def on_mount(self) -> None:
        """Begin."""
        self.title = "rtp top"
        self.begin_capture_print(self)
        self.set_interval(TURN_SECONDS, self.turn)
        self._grid("movers").focus()
        self.turn()

    def on_resize(self, event: events.Resize) -> None:
        """Where there is room for it, have movers and pegs side by side."""
        self._main.set_class(event.size.width >= _WIDE, "-wide")

    def turn(self) -> None:
        """Take what has come, and draw."""
        if self._world.is_over():
            self.exit()
            return
        if not self.screen_stack or not self._main.query("#head"):  # it is being taken down
            return
        for message in self._world.inbox.take():
            self._take(message)
        now = self._world.clock()
        self._rates.append((now, self.market.taken))
        while self._rates[0][0] < now - _RATE_SECONDS:
            self._rates.popleft()
        self._main.query_one("#head", Static).update(self._head())
        if not self._is_paused:
            self._draw()
        if isinstance(self.screen, EntityScreen):
            self.screen.turn()

    def _take(self, message: object) -> None:
        match message:
            case RtpState():
                self._state = message
            case Notice():
                self._say(message.text)
            case Liveness():
                self._is_live = message.is_live
            case RtpError():
                self.failure = message
                self.exit()
            case Gap():
                self._say(f"events may be missing: {message.message}")
            case _:
                self.market.take_message(message)

    def _draw(self) -> None:
        now, shown = self._world.clock(), self._selection
        column, is_reversed = self._orders["movers"]
        movers = filter(shown.has_mover, self.market.movers.values())
        self._show("movers", sorted_movers(movers, column, now, is_reversed=is_reversed))
        column, is_reversed = self._orders["pegs"]
        pegs = (
            peg for peg in peg_rows(self.market, self._world.peg_of, self._state.off_peg) if shown.has_name(peg.key)
        )
        self._show("pegs", sorted_pegs(pegs, column, is_reversed=is_reversed))
        self._show("events", list(islice(filter(shown.has_event, reversed(self.market.events)), _MOST_LISTED)))
        self._show("sinks", self._state.sinks)
        self._tell(self._filter_fault or " · ".join(self._state.troubles), is_wrong=bool(self._filter_fault))

    def _show(self, name: str, items: Sequence[Any]) -> None:
        grid = self._grid(name)
        grid.title = f"{name.capitalize()} {len(items):,}" if name in self._orders else name.capitalize()
        column, is_reversed = self._orders.get(name, ("", False))
        grid.show(items, sorted_by=(column, is_reversed == (column in FIRST_IS_LEAST)))

    def _head(self) -> Text:
        connection = ("● live", "green") if self._is_live else ("● lost", "bold red")
        rate = (self._rates[-1][1] - self._rates[0][1]) / max(self._rates[-1][0] - self._rates[0][0], 1.0)
        said = [Text.assemble(("rtp ", "bold"), connection), Text(self._world.title, "dim")]
        skipped = f", {self.market.skipped:,} skipped" if self.market.skipped else ""
        said.append(Text(f"{self.market.taken:,} events, {rate:,.0f}/s{skipped}"))
        if remark := self._world.remark():
            said.append(Text(remark, "dim"))
        if written := str(self._selection):
            said.append(Text(printable(written), "bold yellow"))
        if self._is_paused:
            said.insert(1, Text(f"PAUSED, {self.market.taken - self._taken_when_paused:,} new", "bold reverse"))
        return Text("  ").join(said)

    def _tell(self, text: str, *, is_wrong: bool) -> None:
        notice = self._main.query_one("#notice", Static)
        notice.update(Text(printable(text), "red" if is_wrong else "", no_wrap=True, overflow="ellipsis"))
        notice.set_class(bool(text), "-told")

    def _say(self, text: str) -> None:
        self.said.append(text)
        self.notify(printable(text), markup=False)

    def on_print(self, event: events.Print) -> None:
        """Keep what is printed meanwhile: it can be printed when the terminal is free again."""
        self.said.extend(filter(None, map(str.rstrip, event.text.splitlines())))

    # What keys and the mouse do.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Only what has nothing to do with the board's parts works while another screen is before them."""
        return self.screen is self._main or action not in _OF_THE_BOARD

    def on_grid_head_clicked(self, message: Grid.HeadClicked) -> None:
        """Sort by that column; by the same one again: the other way round."""
        name = message.grid.id or ""
        column, is_reversed = self._orders[name]
        self._orders[name] = (message.column, not is_reversed if column == message.column else False)
        self._draw()

    def on_grid_opened(self, message: Grid.Opened) -> None:
        """Show all about an entity."""
        key = message.key
        if message.grid.id == "events":
            key = next((key_of(event) for event in self._grid("events").items if event.id == key), None)
        if isinstance(key, EntityKey):
            self.push_screen(EntityScreen(key, self.market, self._world))

    def action_sort(self) -> None:
        """Sort the grid that has the keys by its next column."""
        name, orders = ("pegs", PEG_ORDERS) if self._focused_name == "pegs" else ("movers", MOVER_ORDERS)
        column, _ = self._orders[name]
        self._orders[name] = (orders[(orders.index(column) + 1) % len(orders)], False)
        self._draw()

    def action_reverse(self) -> None:
        """Turn its order round."""
        name = "pegs" if self._focused_name == "pegs" else "movers"
        column, is_reversed = self._orders[name]
        self._orders[name] = (column, not is_reversed)
        self._draw()

    def action_pause(self) -> None:
        """Hold what is shown, while events are still taken; or go on."""
        self._is_paused = not self._is_paused
        self._taken_when_paused = self.market.taken
        self.turn()

    def action_zoom(self) -> None:
        """Give all room to the grid that has the keys, and to the sinks; or to all of them again."""
        name = self._focused_name
        is_zoomed = not self._main.has_class("-zoomed") and name != "sinks"
        self._main.set_class(is_zoomed, "-zoomed")
        for grid in self._main.query(Grid):
            grid.display = not is_zoomed or grid.id in (name, "sinks")

    def action_filter(self) -> None:
        """Open the line in which the filter is written."""
        line = self._main.query_one("#line", Input)
        line.value = str(self._selection)
        line.add_class("-open")
        line.focus()

    def action_leave(self) -> None:
        """Leave the filter's line, else the zoom, else the filter."""
        if self._main.query_one("#line", Input).has_class("-open"):
            self._close_line()
        elif self._main.has_class("-zoomed"):
            self.action_zoom()
        else:
            self._select(BoardSelection())

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())

    def action_dark(self) -> None:
        """Change between a light and a dark screen."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is written."""
        try:
            self._select(parse_selection(event.value))
        except SettingsError as error:
            self._filter_fault = str(error)
            self._draw()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        """Keep the filter."""
        self._close_line()

    def _close_line(self) -> None:
        self._main.query_one("#line", Input).remove_class("-open")
        self._grid("movers").focus()

    def _select(self, selection: BoardSelection) -> None:
        self._selection, self._filter_fault = selection, ""
        self._draw()

    @property
    def _main(self) -> Screen[object]:
        return self.screen_stack[0]

    @property
    def _focused_name(self) -> str:
        focused = self._main.focused
        return focused.id or "" if isinstance(focused, Grid) else "movers"

    def _grid(self, name: str) -> Grid[Any]:
        return self._main.query_one(f"#{name}", Grid)
