"""The secrets that this process was given, and texts without them.

What a client library or a server says may repeat one: a header, an address, a command with its arguments. Whoever uses
a secret makes it known; `rtp_client.errors.one_line`, by which such texts become rtp's, leaves it out in any spelling.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from rtp_client.redact import HIDDEN
from rtp_client.spellings import any_spelling

if TYPE_CHECKING:
    from collections.abc import Iterable

# A shorter one is within too many words, and would be guessed from the gaps.
_SHORTEST = 6
_IN_QUERIES = ("password", "sslpassword")


class _Known:
    """All that is known; a text that is known stays so."""

    def __init__(self) -> None:
        self._texts: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, texts: Iterable[str]) -> None:
        more = {text for text in texts if len(text) >= _SHORTEST} - self._texts
        if more:
            self._texts |= more
            self._pattern = any_spelling(self._texts)

    def hide(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


_KNOWN = _Known()


def know_secrets(texts: Iterable[str | None]) -> None:
    """Leave these out of whatever is told from now on."""
    for text in texts:
        if text:
            # An environment file may have left spaces or a line's end around it.
            _KNOWN.add({text, unquote(text), text.strip()})


def know_secrets_of(url: str) -> None:
    """The same for those in an address."""
    with suppress(ValueError):
        parts = urlsplit(url)
        userinfo = parts.netloc.rpartition("@")[0]
        password = userinfo.partition(":")[2] or userinfo
        queried = (text for key, texts in parse_qs(parts.query).items() if key in _IN_QUERIES for text in texts)
        know_secrets([password, *queried])


def without_secrets(text: str) -> str:
    """The text with `***` for each secret that is known."""
    return _KNOWN.hide(text)
