"""Commands that are imported when they are asked for: together they take half a second to load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from cli.signals import interruptible


@dataclass(frozen=True)
class CommandPlace:
    """Where a command is: a function, or the Typer of a group. `summary` is what its own help begins with."""

    module: str
    name: str
    summary: str
    notes_signals: bool = False
    """Whether it answers Ctrl-C itself; otherwise that raises KeyboardInterrupt in it."""


def lazy_group(places: Mapping[str, CommandPlace]) -> type[TyperGroup]:
    """The class of a group with these commands, for `typer.Typer(cls=...)`."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands: Any = _Commands(places)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            """The list of commands, without loading any."""
            self.commands = {name: TyperCommand(name, help=place.summary) for name, place in places.items()}
            try:
                super().format_help(ctx, formatter)
            finally:
                self.commands = _Commands(places)

    return LazyGroup


class _Commands(Mapping[str, Any]):
    def __init__(self, places: Mapping[str, CommandPlace]) -> None:
        self._places = places
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        place = self._places[name]
        if name not in self._loaded:
            self._loaded[name] = _load(name, place)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _load(name: str, place: CommandPlace) -> Any:
    found = getattr(import_module(place.module), place.name)
    if isinstance(found, typer.Typer):
        return get_group(found)
    one = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    one.command(name, no_args_is_help=False)(found if place.notes_signals else interruptible(found))
    return get_command(one)
