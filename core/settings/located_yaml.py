"""A YAML file as plain data that remembers where everything stood and how it was written.

Works on the node graph instead of loading objects: nodes know their lines, their spelling and their duplicates.
Numbers become Decimals made from their own text, so 0.30000000000000001 stays what the person wrote; scalars
that YAML reads in a way few people expect (octal, base 60) are problems instead of surprises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import yaml

from rtp_client.redact import shown

Place = tuple[str | int, ...]
_Entry = tuple[yaml.Node, yaml.Node]
_Entries = dict[str, _Entry]

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"yes", "true", "on"})
_PLAIN_NUMBER = re.compile(
    r"[-+]?(?:0|[1-9][0-9_]*|(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)", re.ASCII
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)
_MEANINGS: Final = {
    "str": "text",
    "value": "text",
    "merge": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a date",
    "null": "nothing",
}


class Refused:
    """Stands in the data where a problem is already noted, so that validation need not note it again."""


class Date:
    """Stands for an unquoted date. No setting is one, so only its not being text matters."""


class Block(dict[str, Any]):
    """A mapping that knows its line, for what is looked into only after the file has been read."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


@dataclass(frozen=True)
class Written:
    """What a person wrote at one place: its text if it is a single value, and what it was read as."""

    text: str | None
    meaning: str


@dataclass(frozen=True)
class Complaint:
    """Something wrong in the file: in which line, at which place (its keys from the top), and what."""

    line: int
    place: Place
    text: str


class Document:
    """The plain data of one file, the problems met on the way, and where things are."""

    def __init__(self, root: yaml.Node) -> None:
        self._root = root
        # Anchors share nodes. Visiting each node once keeps a file of nested aliases as cheap as it is short.
        self._plain: dict[int, Any] = {}
        self._entries: dict[int, _Entries] = {}
        self.problems: list[Complaint] = []
        self.data = self._read(root, ())

    def line(self, place: Place) -> int:
        """The line of a place: of its key or list entry, else of the nearest parent that exists."""
        return self._find(place)[0]

    def written(self, place: Place) -> Written | None:
        """What stands at a place; None where nothing does."""
        node = self._find(place)[1]
        if isinstance(node, yaml.ScalarNode):
            return Written(node.value, _MEANINGS.get(node.tag.removeprefix(_TAG), "text"))
        if node is None:
            return None
        return Written(None, "a mapping" if isinstance(node, yaml.MappingNode) else "a list")

    def _find(self, place: Place) -> tuple[int, yaml.Node | None]:
        line, node = _line(self._root), self._root
        for part in place:
            if isinstance(node, yaml.MappingNode) and part in (entries := self._entries_of(node, ())):
                key, node = entries[str(part)]
                line = _line(key)
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = _line(node)
            else:
                return line, None
        return line, node

    def _note(self, node: yaml.Node, place: Place, text: str) -> Refused:
        self.problems.append(Complaint(_line(node), place, text))
        return Refused()

    def _read(self, node: yaml.Node, place: Place) -> Any:
        if id(node) in self._plain:
            return self._plain[id(node)]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            # Stored before it is filled: a mapping may hold an alias of itself.
            mapping = self._plain[id(node)] = Block(_line(node))
            for name, (_key, value) in self._entries_of(node, place).items():
                mapping[name] = self._read(value, (*place, name))
        elif isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            items = self._plain[id(node)] = []
            items += [self._read(item, (*place, number)) for number, item in enumerate(node.value)]
        else:
            self._plain[id(node)] = self._scalar(node, place)
        return self._plain[id(node)]

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        match node.tag.removeprefix(_TAG):
            case "str" | "value" | "merge":
                return node.value
            case "null":
                return None
            case "bool":
                return node.value.lower() in _TRUE
            case "timestamp":
                return Date()
            case "int" | "float":
                return self._number(node, place)
            case _:
                return self._note(node, place, "has a tag (!name). rtp's settings know none; remove it")

    def _number(self, node: yaml.Node, place: Place) -> Any:
        text = node.value
        if _NOT_FINITE.fullmatch(text):
            return Decimal(text.replace(".", ""))
        if not _PLAIN_NUMBER.fullmatch(text):
            complaint = "is not a plain decimal number; YAML may read it as octal, hexadecimal, binary or base 60"
            return self._note(node, place, f"{shown(text)} {complaint}. Rewrite it, or quote it if it is text")
        try:
            return Decimal(text)
        except InvalidOperation:
            return self._note(node, place, f"{shown(text)} is too large a number")

    def _entries_of(self, node: yaml.MappingNode, place: Place) -> _Entries:
        """The key and value nodes by name: the mapping's own, then what `<<` merges in without overriding."""
        if id(node) in self._entries:
            return self._entries[id(node)]
        entries = self._entries[id(node)] = {}
        merges = []
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merges.append(value)
            else:
                self._add_entry(entries, key, value, place)
        for merged in merges:
            for name, entry in self._merged_entries(merged, place):
                entries.setdefault(name, entry)
        return entries

    def _add_entry(self, entries: _Entries, key: yaml.Node, value: yaml.Node, place: Place) -> None:
        # A key is the text that was written: a watch called `on` is "on", not True.
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            self._note(key, place, "has a key that is not a word. Every key must be plain text")
        elif key.value in entries:
            first = _line(entries[key.value][0])
            self._note(key, (*place, key.value), f"duplicate key, first written on line {first}. Keep one of them")
        else:
            entries[key.value] = (key, value)

    def _merged_entries(self, merged: yaml.Node, place: Place) -> list[tuple[str, _Entry]]:
        sources = merged.value if isinstance(merged, yaml.SequenceNode) else [merged]
        mappings = [source for source in sources if isinstance(source, yaml.MappingNode)]
        if len(mappings) < len(sources):
            self._note(merged, place, "<< takes the alias of a mapping (<<: *name), or a list of them")
        # A bomb of merges names the same few mappings over and over; each is needed once.
        unique = {id(mapping): mapping for mapping in mappings}.values()
        return [entry for mapping in unique for entry in self._entries_of(mapping, place).items()]


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
