"""From a file to YAML's node graph, or to one plain sentence about why it is no YAML.

The sentences are rtp's own and quote nothing from the file: PyYAML's name the piece that it tripped over, and
that piece may be half a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_BYTES = 1_000_000
MAX_DEPTH = 20  # the settings are five levels deep

_TAB = "a tab where YAML takes only spaces. Indent with spaces"
# The first line whose left side is part of what PyYAML says decides.
_REASONS = (
    (r"'\t'", _TAB),
    ("cannot start any token", "a character that cannot start a value. Put the value in quotes"),
    (
        "mapping values are not allowed",
        "a colon out of place. Check the indentation; quote a value that holds `: `",
    ),
    ("sequence entries are not allowed", "a list entry (-) out of place. Check the indentation"),
    ("could not find expected ':'", "a line without a colon where a `key: value` should be"),
    ("expected <block end>", "does not line up with the lines before it. Check the indentation"),
    ("but got '?'", "a question mark inside a [ or {. Put the value in quotes"),
    ("expected ',' or", "a [ or { that is not closed, or a comma missing inside one"),
    ("node content", "a value is missing or out of place. Check the brackets and the indentation"),
    ("flow node", "a [ or { that is not closed, or a stray comma inside one"),
    ("end of stream", "a quote that is never closed"),
    ("document separator", "a quote that is never closed"),
    ("double-quoted", "a backslash in double quotes that YAML does not know. Use single quotes"),
    (
        "undefined alias",
        "an alias (*name) without an anchor (&name) before it. Quote a value that starts with *",
    ),
    ("duplicate anchor", "an anchor (&name) that was already used. Give it another name"),
    ("single document", "a second document (---). rtp reads one document per file"),
    ("nested too deep", f"nested more than {MAX_DEPTH} levels deep. rtp's settings need five"),
)


# Tabs, which it lets pass here and there, what it does not count as the end of a line, and, outside of comments, a name
# with a question mark, which within [ or { only libyaml takes.
_READ_OTHERWISE_BY_LIBYAML = re.compile("[\t\r\x85\u2028\u2029\ufeff]|^[^#\n]*[?]", re.MULTILINE)


class _BoundedComposer(yaml.composer.Composer):
    """PyYAML's composer with a bound on depth, as it recurses once per level."""

    _depth = 0
    peek_event: Callable[[], Any]

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Loader(_BoundedComposer, yaml.SafeLoader):
    """In whose words _REASONS are looked for."""


def read_nodes(path: Path) -> yaml.MappingNode:
    """The root of the one document in the file. Raises SettingsError where there is none to be had."""
    text = _decoded(path, _bytes(path))
    try:
        root = _composed_by_libyaml(text) or yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        _refuse_syntax(path, text, error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise SettingsError(f"{path}:{line}:{column}: a control character. Remove it") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets chr() and int() speak for themselves, e.g. for the escape \UFFFFFFFF.
        raise SettingsError(f"{path}: not YAML; an escape or a directive is out of range") from None
    if root is None or root.tag == "tag:yaml.org,2002:null":
        raise SettingsError(f"{path}:1: the file is empty. Copy rtp's default.yaml and change it")
    if not isinstance(root, yaml.MappingNode) or root.tag != "tag:yaml.org,2002:map":
        raise SettingsError(f"{path}:{root.start_mark.line + 1}: the file must hold `key: value` lines")
    return root


def _composed_by_libyaml(text: str) -> yaml.Node | None:
    """The root, in a tenth of the time; none where libyaml is not at hand, or finds a fault that it calls otherwise."""
    if not yaml.__with_libyaml__ or _READ_OTHERWISE_BY_LIBYAML.search(text):
        return None

    class Loader(_BoundedComposer, yaml.CSafeLoader):
        def __init__(self, stream: str) -> None:
            yaml.CSafeLoader.__init__(self, stream)
            yaml.composer.Composer.__init__(self)

    try:
        return yaml.compose(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, OverflowError):
        return None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file. Check the path") from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: this is a directory. Name a YAML file in it") from None
    except PermissionError:
        raise SettingsError(f"{path}: rtp may not read this file. Check its owner and mode") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not one a file can have"
        raise SettingsError(f"{path}: cannot be read ({reason}). Check the path") from None
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{path}: more than {MAX_BYTES // 1_000_000} MB, which no settings file needs")
    return content


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: not UTF-8 text. Save the file as UTF-8") from None


def _refuse_syntax(path: Path, text: str, error: yaml.MarkedYAMLError) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        raise SettingsError(f"{path}: not YAML") from None
    said = f"{error.context} {error.problem}"
    reason = next((reason for part, reason in _REASONS if part in said), "not YAML from here on")
    lines = text.splitlines()
    if mark.line < len(lines) and "\t" in lines[mark.line][: len(lines[mark.line]) - len(lines[mark.line].lstrip())]:
        reason = _TAB
    raise SettingsError(f"{path}:{mark.line + 1}:{mark.column + 1}: {reason}") from None
