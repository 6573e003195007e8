"""A table that draws only the rows that are seen, however many there are, and however often they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from textual import events

_Item = TypeVar("_Item")
_GAP = 1


@dataclass(frozen=True)
class Column(Generic[_Item]):
    """A column: what it shows of an item, in how many cells at least and, where there is room, at `most`.

    `least_width` is how wide a grid must be to have it.
    """

    name: str
    width: int
    cell: Callable[[_Item], Text]
    most: int = 0
    is_right: bool = False
    least_width: int = 0
    sorts: bool = False
    keeps_end: bool = False
    """Whether what has no room is cut off before it, not behind."""


class Grid(ScrollView, Generic[_Item], can_focus=True):
    """Rows of items under a head that stays. A row is chosen by the key of its item, wherever that has moved to."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--head", "grid--sorted", "grid--chosen", "grid--empty"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(0)", "First", show=False),
        Binding("end", "edge(-1)", "Last", show=False),
        Binding("enter", "open", "Details", show=True),
    ]

    class HeadClicked(Message):
        """Somebody wants the rows in the order of this column."""

        def __init__(self, grid: Grid[_Item], column: str) -> None:
            super().__init__()
            self.grid, self.column = grid, column

    class Opened(Message):
        """Somebody wants to know all about this item."""

        def __init__(self, grid: Grid[_Item], key: Hashable) -> None:
            super().__init__()
            self.grid, self.key = grid, key

    def __init__(
        self,
        title: str,
        columns: Sequence[Column[_Item]],
        key: Callable[[_Item], Hashable],
        *,
        id: str,  # noqa: A002  (Textual's word)
        empty: str = "",
    ) -> None:
        super().__init__(id=id)
        self.title = title
        self._columns = columns
        self._key = key
        self._empty = empty
        self._items: Sequence[_Item] = ()
        self._chosen: Hashable | None = None
        self._sorted: tuple[str, bool] | None = None

    @property
    def items(self) -> Sequence[_Item]:
        """What is shown, seen or scrolled out of sight."""
        return self._items

    @property
    def chosen(self) -> Hashable | None:
        """The key of the row that is chosen."""
        return self._chosen

    def show(
        self, items: Sequence[_Item], *, sorted_by: tuple[str, bool] | None = None, empty: str | None = None
    ) -> None:
        """Show these; `sorted_by` is a column's name, and whether the order is descending."""
        self._items, self._sorted = items, sorted_by
        self._empty = self._empty if empty is None else empty
        self.virtual_size = Size(self.size.width, len(items) + 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The head, or the item of that line."""
        width = self.scrollable_content_region.width
        if y == 0:
            return self._line(self._head(width), width, self.get_component_rich_style("grid--head"))
        index = y - 1 + self.scroll_offset.y
        if index >= len(self._items):
            note = Text(f" {self._empty}" if not self._items and y == 1 else "")
            return self._line(note, width, self.get_component_rich_style("grid--empty"))
        item = self._items[index]
        cells = [(column, room, column.cell(item)) for column, room in self._shown(width)]
        is_chosen = self._chosen is not None and self._key(item) == self._chosen
        style = self.get_component_rich_style("grid--chosen") if is_chosen and self.has_focus else self.rich_style
        return self._line(self._joined(cells), width, style)

    def _shown(self, width: int) -> list[tuple[Column[_Item], int]]:
        """The columns that there is room for, each with its cells; what is left goes to those that can do with more."""
        columns = [column for column in self._columns if width >= column.least_width]
        spare = max(width - sum(column.width + _GAP for column in columns) + _GAP, 0)
        shown = []
        for column in columns:
            more = min(max(column.most - column.width, 0), spare)
            spare -= more
            shown.append((column, column.width + more))
        return shown

    def _head(self, width: int) -> Text:
        return self._joined([(column, room, self._label(column)) for column, room in self._shown(width)])

    def _label(self, column: Column[_Item]) -> Text:
        is_first = column is self._columns[0]
        name = self.title if is_first else column.name
        arrow = ("▼" if self._sorted[1] else "▲") if self._sorted and self._sorted[0] == column.name else ""
        return Text(f"{name}{arrow}", "bold" if is_first or arrow else "")

    def _joined(self, cells: Sequence[tuple[Column[_Item], int, Text]]) -> Text:
        line = Text(no_wrap=True, end="")
        for column, room, cell in cells:
            fitted = cell[-room:] if column.keeps_end else cell.copy()
            fitted.truncate(room, overflow="ellipsis")
            padding = " " * (room - fitted.cell_len)
            line.append_text(Text(padding) + fitted if column.is_right else fitted + Text(padding))
            line.append(" " * _GAP)
        return line

    def _line(self, text: Text, width: int, style: Style) -> Strip:
        strip = Strip(text.render(self.app.console))
        return strip.adjust_cell_length(width).apply_style(style)

    def action_move(self, by: int) -> None:
        """Choose another row, so many further down."""
        index = self._index()
        self._choose(0 if index is None else index + by)

    def action_page(self, pages: int) -> None:
        """Choose the row that is a screenful further down."""
        self.action_move(pages * max(self.size.height - 2, 1))

    def action_edge(self, edge: int) -> None:
        """Choose the first row or the last one."""
        self._choose(edge % max(len(self._items), 1))

    def action_open(self) -> None:
        """Ask for all about the row that is chosen, or the first one in sight."""
        if self._index() is None:
            self._choose(self.scroll_offset.y)
        if self._index() is not None:
            self.post_message(self.Opened(self, self._chosen))

    def _index(self) -> int | None:
        return next((i for i, item in enumerate(self._items) if self._key(item) == self._chosen), None)

    def _choose(self, index: int) -> None:
        if not self._items:
            return
        index = min(max(index, 0), len(self._items) - 1)
        self._chosen = self._key(self._items[index])
        top, height = self.scroll_offset.y, self.size.height - 1
        if index < top:
            self.scroll_to(y=index, animate=False)
        elif index >= top + height:
            self.scroll_to(y=index - height + 1, animate=False)
        self.refresh()

    def on_focus(self) -> None:
        """Have a row chosen as soon as keys come here."""
        if self._index() is None:
            self._choose(self.scroll_offset.y)

    def on_click(self, event: events.Click) -> None:
        """A click on the head sorts, on a row chooses it; a second one opens it."""
        if event.y == 0:
            if (column := self._column_at(event.x)) is not None and column.sorts:
                self.post_message(self.HeadClicked(self, column.name))
            return
        index = event.y - 1 + self.scroll_offset.y
        if index < len(self._items):
            self._choose(index)
            if event.chain >= 2:
                self.action_open()

    def _column_at(self, x: int) -> Column[_Item] | None:
        end = 0
        for column, room in self._shown(self.scrollable_content_region.width):
            end += room + _GAP
            if x < end:
                return column
        return None
