"""The words in a name, however it is written: `protocolTvlUSD`, `protocol_tvl_usd`, `Protocol TVL (USD)`."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+[a-zA-Z]?(?![a-z])|[0-9]+")
_UNIT = "usd"


@lru_cache(maxsize=10_000)
def words_of(name: str) -> tuple[str, ...]:
    """The words, in small letters; a unit that is written onto one is a word of its own."""
    return tuple(part for word in _WORD.findall(name) for part in _parted(word.lower()))


def _parted(word: str) -> tuple[str, ...]:
    if word.endswith(_UNIT) and len(word) > len(_UNIT) + 1:
        return word.removesuffix(_UNIT), _UNIT
    return (word,)


def vocabulary(text: str) -> tuple[str, ...]:
    """A list of words, as it is written in the code."""
    return tuple(text.split())
