"""Names and globs of a filter, compiled once: `named` of rtp_client.event_filter for thousands of filters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_GLOB = frozenset("*?[")


def is_glob(name: str) -> bool:
    """Whether it stands for others than itself."""
    return not _GLOB.isdisjoint(name)


@dataclass(frozen=True, slots=True)
class NameTest:
    """Which names fit; they are compared whatever their case. Without globs, `exact` holds all that can."""

    exact: frozenset[str]
    globs: re.Pattern[str] | None = None
    is_any: bool = False

    @classmethod
    def of(cls, wanted: Sequence[str] | str | None) -> Self:
        """The test that one part of a filter, or of a token's claims, asks for."""
        if wanted is None:
            return cls(frozenset(), is_any=True)
        folded = {name.casefold() for name in ((wanted,) if isinstance(wanted, str) else wanted)}
        # A glob is also a name: a token called `[x]` is found by its own.
        globs = [translate(name) for name in sorted(folded) if is_glob(name)]
        return cls(frozenset(folded), re.compile("|".join(globs)) if globs else None)

    @property
    def is_exact(self) -> bool:
        """Whether nothing but the names in `exact` can fit."""
        return not self.is_any and self.globs is None

    def fits(self, folded: str) -> bool:
        """Whether a name, in `str.casefold`, is one of those."""
        return self.is_any or folded in self.exact or bool(self.globs and self.globs.match(folded))
