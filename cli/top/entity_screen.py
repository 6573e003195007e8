"""All about one entity: its values over time, what rtp knows of it, and its events."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from rich.console import Group
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from cli.chart import plot
from cli.event_line import event_line, printable
from cli.top.market import key_of
from cli.top.world import Details
from core.amounts import spelled
from core.errors import RtpError
from core.kinds import Kind
from rtp_client.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.top.market import EntityKey, Point, SeenMarket
    from cli.top.world import BoardWorld

_PLOT_HEIGHT = 9
_LABEL_WIDTH = 11
_MOST_EVENTS = 10
_LOOK_SECONDS = 5.0


class EntityScreen(Screen[None]):
    """One entity, for as long as somebody looks at it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,left,backspace", "dismiss", "Back"),
        Binding("r", "look", "Look again"),
    ]

    def __init__(self, key: EntityKey, market: SeenMarket, world: BoardWorld) -> None:
        super().__init__()
        self._key = key
        self._market = market
        self._world = world
        self._before: Sequence[Point] = ()

    def compose(self) -> ComposeResult:
        """From what changes all the time to what seldom does."""
        yield Static(id="name")
        with VerticalScroll():
            yield Static(id="chart")
            yield Static("Looking ..." if self._world.details else "", id="about")
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and again and again."""
        self.turn()
        self.action_look()
        self.set_interval(_LOOK_SECONDS, self.action_look)

    def turn(self) -> None:
        """Draw what the board itself knows."""
        if len(self.query("#name, #chart, #about")) < 3:  # it is being put up, or taken down
            return
        mover = self._market.movers.get(self._key)
        kind = self._world.kinds.get(self._key.kind, Kind(self._key.kind, ""))
        name = Text.assemble(
            (kind.name, kind.color), "  ", (printable(self._key.entity), "bold"), f" on {printable(self._key.chain)}"
        )
        if mover is not None:
            name.append(f"   {spelled(mover.value, kind)}", "bold")
        self.query_one("#name", Static).update(name)
        own = list(mover.points) if mover is not None else []
        points = [point for point in self._before if not own or point.at < own[0].at] + own
        chart = self.query_one("#chart", Static)
        chart.display = bool(points)
        if points:
            chart.update(self._plot(points, kind))
        if self._world.details is None:
            self.query_one("#about", Static).update(self._events())

    @work(thread=True, exclusive=True)
    def action_look(self) -> None:
        """Ask for what rtp knows of it, in a thread: it may take a while."""
        if (details := self._world.details) is None:
            return
        try:
            found = details(self._key)
        except RtpError as error:
            found = Details(Group(Text(printable(one_line(error)), "yellow"), self._events()))
        self.app.call_from_thread(self._tell, found)

    def _tell(self, found: Details) -> None:
        if self.query("#about"):
            self._before = found.values
            self.query_one("#about", Static).update(found.about)
            self.turn()

    def _plot(self, points: list[Point], kind: Kind) -> Text:
        width = max(self.size.width - _LABEL_WIDTH - 4, 1)
        lines = plot(points, width, _PLOT_HEIGHT, end=self._world.clock())
        values = [point.value for point in points]
        labels = {0: max(values), _PLOT_HEIGHT - 1: min(values)}
        drawn = Text(no_wrap=True, overflow="crop")
        for row, line in enumerate(lines):
            label = spelled(str(labels[row]), kind) if row in labels else ""
            drawn.append(f"{label:>{_LABEL_WIDTH}} ", "dim")
            drawn.append(f"{line}\n", "cyan")
        start, end = (
            f"{datetime.fromtimestamp(at).astimezone():%H:%M:%S}" for at in (points[0].at, self._world.clock())
        )
        drawn.append(f"{'':{_LABEL_WIDTH}} {start}{end:>{max(width - len(start), 0)}}", "dim")
        return drawn

    def _events(self) -> Text:
        own = (event for event in reversed(self._market.events) if key_of(event) == self._key)
        lines = [event_line(event, self._world.kinds, width=self.size.width - 3) for event in islice(own, _MOST_EVENTS)]
        return Text("\n").join(lines)
