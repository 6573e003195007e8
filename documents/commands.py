"""Every command, its options and examples, as `--help` tells them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from cli.app import app
from documents.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator


def commands_page() -> str:
    """The page."""
    parts = [
        "# Commands",
        "Written from rtp's own help. Every command ends with exit code 0; 1 where what it looked for is not so, and"
        " each says when; or 2, with one line on what is wrong, where, and how to mend it.",
    ]
    for name, command in _commands_of(get_command(app)):
        parts += [f"## rtp {name}", *_described(str(command.help)), _options(command)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _commands_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands_of(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}", command


def _described(text: str) -> Iterator[str]:
    """The help's paragraphs, and its examples as a block."""
    told, _, examples = text.partition("Example")
    for paragraph in told.split("\n\n"):
        yield _plain(paragraph)
    if found := re.findall(r"\[bold\](rtp [^\n]+?)\[/\]", examples):
        yield "```sh\n" + "\n".join(_plain(line) for line in found) + "\n```"


def _options(command: Any) -> str:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or not parameter.opts:
            continue
        names = ", ".join(f"`{name}`" for name in sorted(parameter.opts, key=len, reverse=True))
        default = parameter.default
        told = "" if default in (None, False, True, ()) or callable(default) else f"`{default}`"
        rows.append((names, _plain(str(getattr(parameter, "help", "") or "")), told))
    return table(("option", "", "default"), rows) if rows else ""


def _plain(text: str) -> str:
    """Without the marks of rich, and without what Markdown would take for HTML."""
    text = re.sub(r"\[/?[a-z_ ]*\]", "", text.replace("\\[", "["))
    return " ".join(text.split()).replace("<", "&lt;").strip()
