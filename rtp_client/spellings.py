"""Texts in every spelling in which others repeat them: escaped for JSON, HTML, Python or an address, in any case."""

from __future__ import annotations

import re
from collections import defaultdict
from html.entities import html5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOTHING = "(?!)"
_HTML_NAMES: dict[str, set[str]] = defaultdict(set)
for _name, _characters in html5.items():
    if _name.endswith(";"):
        _HTML_NAMES[_characters].add(f"&{_name}")


def any_spelling(texts: Iterable[str]) -> re.Pattern[str]:
    """What finds each of these texts, however it is spelt; the longest where one is within another."""
    longest_first = sorted(set(texts), key=len, reverse=True)
    return re.compile("|".join("".join(map(_spelt, text)) for text in longest_first) or _NOTHING, re.IGNORECASE)


def _spelt(character: str) -> str:
    code = ord(character)
    utf16 = character.encode("utf-16-be").hex()
    in_bytes = "".join(rf"\\x{byte:02x}" for byte in character.encode())
    ways = {
        re.escape(repr(character)[1:-1]),
        re.escape(ascii(character)[1:-1]),
        in_bytes,
        re.escape(character),
        "".join(f"%{byte:02x}" for byte in character.encode()),
        "".join(rf"\\u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4)),
        f"&#0*{code};",
        f"&#x0*{code:x};",
        *map(re.escape, _HTML_NAMES.get(character, ())),
    }
    if not character.isalnum():
        ways.add(rf"\\{re.escape(character)}")
    if character == " ":
        ways.add(r"\+")
    return f"(?:{'|'.join(sorted(ways, key=len, reverse=True))})"
