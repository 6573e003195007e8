"""Which rule applies to an entity: the watch's own keys, overridden by its overrides, most specific first.

`docs/reference/detection.md` states the order. The compiler turns the same order into SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta
    from decimal import Decimal

    from core.settings.agree import Agree
    from core.settings.guard import GlitchGuard
    from core.settings.moves import MoveRule
    from core.settings.peg import Peg
    from core.settings.watches import Override, SeverityTiers, ValueWatch


@dataclass(frozen=True)
class Rule:
    """Everything that decides whether a change of one entity is significant."""

    percent: Decimal
    min_change: Decimal
    heartbeat: timedelta | None
    cooldown: timedelta | None
    emit_first: bool
    severity: SeverityTiers
    glitch_guard: GlitchGuard | None
    peg: Peg | None
    delete_grace: timedelta | None = None
    moves: tuple[MoveRule, ...] | None = None
    reject: tuple[str, ...] | None = None
    agree: Agree | None = None


RULE_KEYS = tuple(field.name for field in fields(Rule))


@dataclass(frozen=True)
class Origin:
    """Where a key of a rule comes from: the watch itself, or one of its overrides (its place in the list)."""

    key: str
    override: int | None

    def __str__(self) -> str:
        return self.key if self.override is None else f"overrides[{self.override}].{self.key}"


def rule_for(watch: ValueWatch, chain: str, entity: str) -> Rule:
    """The rule of one entity."""
    return explain_rule(watch, chain, entity)[0]


def explain_rule(watch: ValueWatch, chain: str, entity: str) -> tuple[Rule, Sequence[Origin]]:
    """The rule of one entity, and where each of its keys comes from, in RULE_KEYS order."""
    matching = [index for index in by_specificity(watch.overrides) if _matches(watch.overrides[index], chain, entity)]
    values, origins = [], []
    for key in RULE_KEYS:
        origin = next((i for i in matching if override_value(watch.overrides[i], key) is not None), None)
        source = watch if origin is None else watch.overrides[origin]
        values.append(override_value(source, key))
        origins.append(Origin(key, origin))
    return Rule(*values), origins


def override_value(source: ValueWatch | Override, key: str) -> Any:
    """What a watch or an override says for a rule's key; None where it says nothing, or has no such key (a peg)."""
    return getattr(source, key, None)


def by_specificity(overrides: Sequence[Override]) -> list[int]:
    """The overrides' places, most specific first."""
    return sorted(range(len(overrides)), key=lambda index: (*_specificity(overrides[index]), index), reverse=True)


def _specificity(override: Override) -> tuple[int, int]:
    return _exactness(override.entity), _exactness(override.chain)


def _exactness(glob: str | None) -> int:
    if glob is None:
        return 0
    return 1 if is_glob(glob) else 2


def is_glob(name: str) -> bool:
    """Whether a name in an override stands for several."""
    return "*" in name or "?" in name


def _matches(override: Override, chain: str, entity: str) -> bool:
    return all(
        glob is None or matches_glob(glob, name) for glob, name in ((override.chain, chain), (override.entity, entity))
    )


def matches_glob(glob: str, name: str) -> bool:
    """Whether a name, or a glob with `*` and `?`, stands for this name; upper and lower case differ."""
    return _pattern(glob).fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join(_glob_parts(glob)), re.DOTALL)


def _glob_parts(glob: str) -> Iterator[str]:
    for character in glob:
        yield {"*": ".*", "?": "."}.get(character) or re.escape(character)
