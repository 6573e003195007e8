"""The blocks of code in a page of the documents, in their order."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code; `line` is where it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class TypedLine:
    """A command as somebody types it: variables in front, words; what goes on in the shell is left out."""

    variables: dict[str, str]
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        """What is run, wherever it lies."""
        return self.words[0].rpartition("/")[2]


def blocks_of(page: Path) -> list[Block]:
    """All of them."""
    text = page.read_text("utf-8")
    return [Block(one[1], one[2], text.count("\n", 0, one.start()) + 1) for one in _BLOCK.finditer(text)]


def typed_in(block: Block) -> Iterator[TypedLine]:
    """The commands of a block of `sh`; a function of the shell is one that is typed, and none that is run."""
    text = re.sub(r"^\w+\(\) \{.*?^\}$", "", block.text.replace("\\\n", ""), flags=re.MULTILINE | re.DOTALL)
    for line in re.split(r"\n| && ", text):
        words = shlex.split(re.sub(r"\$\(.*?\)", "made" * 8, re.split(r" [|>] ?| 2>", line)[0]), comments=True)
        count = next((n for n, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), len(words))
        if words[count:]:
            yield TypedLine(dict(word.split("=", 1) for word in words[:count]), tuple(words[count:]))
